/*
 * One pass over gzip where librdkafka makes two.
 *
 * librdkafka 2.12.1 (src/rdgz.c) inflates every batch twice: once in steps of 512 bytes to learn how large it is, and
 * once for good. The first of the two costs more than the second. The size stands in the last four bytes of a gzip
 * stream, so this function of the same name and contract asks those, does not trust them, and inflates once. The linker
 * takes the first definition that it meets, which is this one, since it is always linked: see build.rs. Were both linked, the
 * link would fail.
 *
 * The contract: `*size` is zero where the size is not known. The result is from malloc, one byte longer than `*size` and
 * ends with a zero byte; NULL if the stream is damaged.
 */
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

/* No stream of deflate grows more than this. */
#define MOST_PER_BYTE 1032
/* What a first guess may be at most; a batch that is larger grows into its room. */
#define FIRST_ROOM_AT_MOST ((size_t)64 << 20)
#define LEAST_ROOM 512
#define MOST_ROOM ((size_t)INT_MAX - 1)
#define TRAILER 4

static size_t expected(const unsigned char *data, size_t length) {
    const unsigned char *last = data + length - TRAILER;
    size_t told = (size_t)last[0] | (size_t)last[1] << 8 | (size_t)last[2] << 16 | (size_t)last[3] << 24;
    size_t size = told <= length * MOST_PER_BYTE ? told : length * 4;
    if (size > FIRST_ROOM_AT_MOST)
        size = FIRST_ROOM_AT_MOST;
    return size < LEAST_ROOM ? LEAST_ROOM : size;
}

void *rd_gz_decompress(const void *compressed, int length, uint64_t *size) {
    z_stream stream = {0};
    unsigned char *out = NULL, *grown;
    size_t room, filled = 0;
    int outcome;

    if (length < TRAILER || inflateInit2(&stream, 15 + 32) != Z_OK)
        return NULL;
    stream.next_in = (Bytef *)compressed;
    stream.avail_in = (uInt)length;
    room = *size != 0 && *size <= MOST_ROOM ? (size_t)*size : expected(compressed, (size_t)length);

    for (;;) {
        if ((grown = realloc(out, room + 1)) == NULL)
            break;
        out = grown;
        stream.next_out = out + filled;
        stream.avail_out = (uInt)(room - filled);
        /* All at once as a rule, which spares zlib a copy of its window. */
        outcome = inflate(&stream, Z_FINISH);
        filled = room - stream.avail_out;
        if (outcome == Z_STREAM_END) {
            inflateEnd(&stream);
            out[filled] = '\0';
            *size = filled;
            return out;
        }
        /* Anything but a lack of room is damage: a stream that ends too early has room left. */
        if ((outcome != Z_BUF_ERROR && outcome != Z_OK) || stream.avail_out != 0 || room == MOST_ROOM)
            break;
        room = room <= MOST_ROOM / 2 ? room * 2 : MOST_ROOM;
    }
    inflateEnd(&stream);
    free(out);
    return NULL;
}

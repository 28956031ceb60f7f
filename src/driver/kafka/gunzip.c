/*
 * One quick pass over gzip where librdkafka makes two slow ones.
 *
 * librdkafka 2.12.1 (src/rdgz.c) inflates every batch twice by zlib: once in steps of 512 bytes to learn how large it is,
 * and once for good. The first of the two costs more than the second. The size stands in the last four bytes of a gzip
 * stream, so this function of the same name and contract asks those, does not trust them, and inflates once, by
 * libdeflate: with all input and all room at hand it takes about half the time of the best zlib, which must be ready to
 * stop anywhere. The linker takes the first definition that it meets, which is this one, since it is always linked: see
 * build.rs. Were both linked, the link would fail.
 *
 * The contract: `*size` is zero where the size is not known. The result is from malloc, one byte longer than `*size` and
 * ends with a zero byte; NULL if the stream is damaged.
 */
#include <libdeflate.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

/* No stream of deflate grows more than this. */
#define MOST_PER_BYTE 1032
/* What a first guess may be at most; a batch that is larger is tried again with more room. */
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
    struct libdeflate_decompressor *inflater;
    enum libdeflate_result outcome = LIBDEFLATE_INSUFFICIENT_SPACE;
    unsigned char *out = NULL;
    size_t room, filled;

    if (length < TRAILER || (inflater = libdeflate_alloc_decompressor()) == NULL)
        return NULL;
    room = *size != 0 && *size <= MOST_ROOM ? (size_t)*size : expected(compressed, (size_t)length);

    /* What follows a stream that has ended is ignored, as librdkafka's own function does. */
    while ((out = malloc(room + 1)) != NULL) {
        outcome = libdeflate_gzip_decompress(inflater, compressed, (size_t)length, out, room, &filled);
        if (outcome != LIBDEFLATE_INSUFFICIENT_SPACE || room == MOST_ROOM)
            break;
        free(out);
        room = room <= MOST_ROOM / 2 ? room * 2 : MOST_ROOM;
    }
    libdeflate_free_decompressor(inflater);
    if (out == NULL || outcome != LIBDEFLATE_SUCCESS) {
        free(out);
        return NULL;
    }
    out[filled] = '\0';
    *size = filled;
    return out;
}

/*
 * Inflates batches of gzip in place of librdkafka's own function: once instead of twice, and to no more than a ceiling.
 *
 * librdkafka 2.12.1 (src/rdgz.c) inflates every batch twice by zlib: once in steps of 512 bytes to learn how large it is,
 * and once for good, however large that is. The size stands in the last four bytes of a gzip stream, so this function
 * reads those, does not trust them, and inflates once, by libdeflate: with all input and all room at hand it takes about
 * half the time of the best zlib, which must be ready to stop anywhere. The linker takes the first definition that it
 * meets, which is this one, since it is always linked: see build.rs. Were both linked, the link would fail.
 *
 * What is read, and what is not:
 *   gzip, one member or several in a row, as Kafka's brokers and Java clients read it; what follows the last member and
 *       does not begin like another is ignored, as they do
 *   zlib, which librdkafka's function takes as well
 *   a damaged or cut-off stream is rejected whole; librdkafka's function hands out what came before the cut
 *
 * A rejected batch must not become NULL: librdkafka (rdkafka_msgset_reader.c) then reports an error whose offset
 * rust-rdkafka drops, leaves the fetch position at the batch and fetches it again, for ever. It becomes a record set of
 * one record instead, the marker, which names what was rejected: see gzip.rs. librdkafka gives it the offset of the batch's
 * first record and then fetches from behind the batch's last.
 *
 * NULL is left for "not now", where another attempt is right: there is no memory, or so many dense batches came at once
 * that together they would break the bound that the ceiling sets to one. librdkafka then delivers what it has read of the
 * fetch, waits for fetch.error.backoff.ms and fetches from the batch on.
 */
#include <libdeflate.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* No stream of deflate grows more than this. */
#define MAX_RATIO 1032
#define MIN_ROOM 512
#define TRAILER 4
/* Batches that need more room than this are inflated one at a time, so that consumers do not multiply the ceiling. */
#define LARGE_ROOM ((size_t)16 << 20)
/*
 * Inflated batches lie in memory until the worker has read them, and librdkafka asks only before a fetch how much that is.
 * One fetch of a megabyte can hold a thousand megabytes, each batch below the ceiling. So batches that grow by more than
 * this, which events do not, have a budget: half a ceiling at once and half a ceiling a second.
 */
#define DENSE_RATIO 32
/* Sizes are int in librdkafka. */
#define MAX_CEILING ((size_t)INT_MAX - 1)

/* These and the layout of the marker are repeated in gzip.rs. */
enum outcome { INFLATED = 0, TOO_LARGE = 1, DAMAGED = 2, NO_MEMORY = 3 };
#define NONCE 32

static atomic_size_t batch_ceiling = 0;
static unsigned char marker_nonce[NONCE];
static pthread_mutex_t one_large = PTHREAD_MUTEX_INITIALIZER;

/* To be called once, before the first consumer is made. */
void pipewarden_gunzip_set_up(size_t ceiling, const unsigned char *nonce) {
    memcpy(marker_nonce, nonce, NONCE);
    atomic_store(&batch_ceiling, ceiling < MAX_CEILING ? ceiling : MAX_CEILING);
}

static int is_gzip(const unsigned char *in, size_t length) {
    return length >= 3 && in[0] == 0x1f && in[1] == 0x8b && in[2] == 8;
}

/* All members into `out`, which has `room` bytes; how many it took goes to `*filled`. */
static enum libdeflate_result inflate_all(struct libdeflate_decompressor *inflater, const unsigned char *in,
                                          size_t length, unsigned char *out, size_t room, size_t *filled) {
    enum libdeflate_result result;
    size_t used, made;

    *filled = 0;
    if (!is_gzip(in, length))
        return libdeflate_zlib_decompress(inflater, in, length, out, room, filled);
    do {
        result = libdeflate_gzip_decompress_ex(inflater, in, length, out + *filled, room - *filled, &used, &made);
        if (result != LIBDEFLATE_SUCCESS)
            return result;
        *filled += made;
        in += used;
        length -= used;
    } while (is_gzip(in, length));
    return LIBDEFLATE_SUCCESS;
}

/* Inflates into `room` bytes. `*out` is from malloc, one byte longer than `*size` and ends with a zero byte. */
static enum outcome inflate_into(struct libdeflate_decompressor *inflater, const unsigned char *in, size_t length,
                                 size_t room, unsigned char **out, size_t *size) {
    enum libdeflate_result result;
    unsigned char *shrunk;

    if ((*out = malloc(room + 1)) == NULL)
        return NO_MEMORY;
    result = inflate_all(inflater, in, length, *out, room, size);
    if (result != LIBDEFLATE_SUCCESS) {
        free(*out);
        *out = NULL;
        return result == LIBDEFLATE_INSUFFICIENT_SPACE ? TOO_LARGE : DAMAGED;
    }
    (*out)[*size] = '\0';
    if (*size < room / 2 && (shrunk = realloc(*out, *size + 1)) != NULL)
        *out = shrunk;
    return INFLATED;
}

/* How much room to try first: what the last four bytes say, if that can be true. */
static size_t first_room(const unsigned char *in, size_t length, size_t ceiling) {
    const unsigned char *last;
    size_t stated, room = MIN_ROOM;

    if (length >= TRAILER) {
        last = in + length - TRAILER;
        stated = (size_t)last[0] | (size_t)last[1] << 8 | (size_t)last[2] << 16 | (size_t)last[3] << 24;
        room = stated / MAX_RATIO <= length ? stated : length * 4;
    }
    room = room < MIN_ROOM ? MIN_ROOM : room;
    return room < ceiling ? room : ceiling;
}

/*
 * Inflates to at most `ceiling` bytes. Never holds more than that: the first attempt is freed before the second. The
 * second has all room there is, of which the kernel gives only the pages that are written to.
 */
enum outcome pipewarden_gunzip(const unsigned char *in, size_t length, size_t ceiling, unsigned char **out,
                               size_t *size) {
    struct libdeflate_decompressor *inflater;
    enum outcome outcome;
    size_t room;

    *out = NULL;
    *size = 0;
    if ((inflater = libdeflate_alloc_decompressor()) == NULL)
        return NO_MEMORY;
    for (room = first_room(in, length, ceiling);; room = ceiling) {
        int is_large = room > LARGE_ROOM;
        if (is_large)
            pthread_mutex_lock(&one_large);
        outcome = inflate_into(inflater, in, length, room, out, size);
        if (is_large)
            pthread_mutex_unlock(&one_large);
        if (outcome != TOO_LARGE || room == ceiling)
            break;
    }
    libdeflate_free_decompressor(inflater);
    return outcome;
}

/*
 * Whether a dense batch may be handed out now; takes its size from the budget then. The last one may overdraw it, so that
 * each has its turn. A size of nothing only asks.
 */
static int take_from_budget(size_t size, size_t ceiling) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static double budget = 0, counted = 0;
    struct timespec time;
    double now, most = (double)ceiling / 2, a_second = most;
    int is_granted;

    clock_gettime(CLOCK_MONOTONIC, &time);
    now = (double)time.tv_sec + (double)time.tv_nsec / 1e9;
    pthread_mutex_lock(&mutex);
    if (counted == 0)
        budget = most;
    else if (now > counted)
        budget += (now - counted) * a_second;
    counted = now > counted ? now : counted;
    budget = budget < most ? budget : most;
    is_granted = budget > 0;
    if (is_granted)
        budget -= (double)size;
    pthread_mutex_unlock(&mutex);
    return is_granted;
}

static unsigned char *put32(unsigned char *to, uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8)
        *to++ = (unsigned char)(value >> shift);
    return to;
}

/*
 * The marker: the nonce, the outcome, the compressed length. Behind it stands what makes it the value of a record of
 * message format 2, whose records come as they are. In format 1, which brokers before 4.0 may still have, a batch holds a
 * set of messages; so that the same bytes can be read as one, the value begins with the rest of such a message's header,
 * and what stands before the value passes for its offset, which librdkafka replaces. Format 0, of brokers before 0.10, is
 * not provided for: librdkafka fetches a rejected batch again and again, as it does by itself.
 */
#define MESSAGE (NONCE + 4 + 4)
#define HEADER_1 26
#define VALUE (HEADER_1 + MESSAGE)
#define PREFIX_2 8
#define MARKER (PREFIX_2 + VALUE + 1)
/* Zigzag, in two bytes, as the numbers from 64 on are. */
#define VARINT(number) (unsigned char)(((number) * 2 & 0x7f) | 0x80), (unsigned char)((number) * 2 >> 7)

static unsigned char *marker(enum outcome outcome, size_t length) {
    /* Length, attributes, timestamp and offset relative to the batch, no key, length of the value. */
    static const unsigned char prefix[PREFIX_2] = {VARINT(MARKER - 2), 0, 0, 0, 1, VARINT(VALUE)};
    /* Magic, attributes, no timestamp, no key. */
    static const unsigned char header[14] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
    unsigned char *whole = malloc(MARKER + 1), *next = whole, *crc;

    if (whole == NULL)
        return NULL;
    memcpy(next, prefix, PREFIX_2);
    next = put32(next + PREFIX_2, VALUE - 4);
    crc = next;
    memcpy(next += 4, header, sizeof header);
    next = put32(next + sizeof header, MESSAGE);
    memcpy(next, marker_nonce, NONCE);
    next = put32(next + NONCE, (uint32_t)outcome);
    next = put32(next, (uint32_t)length);
    put32(crc, libdeflate_crc32(0, crc + 4, VALUE - 8));
    /* No headers, and the zero byte behind the end. */
    next[0] = next[1] = 0;
    return whole;
}

static int is_dense(size_t size, size_t length) { return size > MIN_ROOM && size / DENSE_RATIO > length; }

/* librdkafka's function. Its parameter for the size, which is not known, is not needed. */
void *rd_gz_decompress(const void *compressed, int signed_length, uint64_t *size) {
    size_t length = (size_t)signed_length, ceiling = atomic_load(&batch_ceiling), filled;
    int is_set_up = ceiling != 0;
    unsigned char *out;
    enum outcome outcome;

    if (signed_length < 0)
        return NULL;
    if (!is_set_up)
        ceiling = MAX_CEILING;
    /* Nothing is inflated in vain, if the size that it states is true. */
    if (is_set_up && is_dense(first_room(compressed, length, ceiling), length) && !take_from_budget(0, ceiling))
        return NULL;
    outcome = pipewarden_gunzip(compressed, length, ceiling, &out, &filled);
    if (outcome == INFLATED && is_set_up && is_dense(filled, length) && !take_from_budget(filled, ceiling)) {
        free(out);
        return NULL;
    }
    if (outcome == INFLATED) {
        *size = filled;
        return out;
    }
    /* Nobody would know a marker in a process that has not set anything up. */
    if (outcome == NO_MEMORY || !is_set_up || (out = marker(outcome, length)) == NULL)
        return NULL;
    *size = MARKER;
    return out;
}

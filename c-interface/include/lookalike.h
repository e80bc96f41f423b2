/*
 * lookalike: image embedding and nearest-neighbour search for firmware.
 *
 * The library allocates nothing and keeps no state of its own: models and
 * galleries are opened in handles, which the caller declares, static or on the
 * stack. A handle must stay at its address; a copy of it is refused. There is
 * nothing to close.
 *
 * Every function but lookalike_status_message returns a status. Pointers are
 * checked for null and alignment, lengths against what is needed, and memory
 * that is written for overlap with the other memory of the call. What cannot be
 * checked is the caller's part: a pointer points to memory of the length given,
 * and no one else writes it during the call, nor reads what the call writes.
 * So a model or a gallery may be used by several threads or interrupts as long
 * as none opens it, enrols or removes.
 *
 * A program does not depend on how a model's parameters are encoded: models of
 * floating-point numbers and quantised ones are opened by the same function, and
 * their embeddings are words that only the library reads.
 *
 * This file is generated from the sources of the library.
 */

#ifndef LOOKALIKE_H
#define LOOKALIKE_H

#include <stddef.h>
#include <stdint.h>

/*
 Words of 4 bytes that a gallery needs to enrol up to `capacity` items:
     static uint32_t memory[LOOKALIKE_GALLERY_WORDS(16, 256)];
 */
#define LOOKALIKE_GALLERY_WORDS(capacity, embedding_words) \
    ((capacity) * (LOOKALIKE_SLOT_WORDS + (embedding_words)))

// Bytes of a buffer that any enrolled item's label fits, its closing 0 included.
#define LOOKALIKE_LABEL_BYTES 33

// Words of 4 bytes that an enrolled item takes beside its embedding.
#define LOOKALIKE_SLOT_WORDS 10

// What became of a call. An error leaves outputs as they were and galleries
// unchanged; a handle that could not be opened is not open.
enum lookalike_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Done.
  LOOKALIKE_STATUS_OK = 0,
  // A pointer is null.
  LOOKALIKE_STATUS_NULL = 1,
  // A pointer is not aligned for what it points to.
  LOOKALIKE_STATUS_MISALIGNED = 2,
  // A length reaches beyond the end of the address space.
  LOOKALIKE_STATUS_LENGTH = 3,
  // Memory that is written overlaps with other memory of the call.
  LOOKALIKE_STATUS_OVERLAP = 4,
  // The handle was not opened, or was copied to another address.
  LOOKALIKE_STATUS_HANDLE = 5,
  // The bytes are no file of this kind.
  LOOKALIKE_STATUS_MAGIC = 6,
  // The file has a version that this library does not read.
  LOOKALIKE_STATUS_VERSION = 7,
  // The file ends before its last field.
  LOOKALIKE_STATUS_TRUNCATED = 8,
  // Bytes follow the file's checksum.
  LOOKALIKE_STATUS_TRAILING_BYTES = 9,
  // The file is damaged.
  LOOKALIKE_STATUS_CHECKSUM = 10,
  // The checksum fits, but a field or a value is out of its range.
  LOOKALIKE_STATUS_CONTENT = 11,
  // The file's values have an encoding that this library does not read.
  LOOKALIKE_STATUS_ENCODING = 12,
  // The image's number of bytes is not the network's.
  LOOKALIKE_STATUS_IMAGE = 13,
  // The workspace is too small.
  LOOKALIKE_STATUS_WORKSPACE = 14,
  // A value of an embedding is infinite or not a number.
  LOOKALIKE_STATUS_NOT_FINITE = 15,
  // The embedding's norm is above 1, or its words are not an embedding of a
  // quantised model.
  LOOKALIKE_STATUS_NOT_NORMALIZED = 16,
  // The embedding does not have the gallery's number of words.
  LOOKALIKE_STATUS_DIMENSION = 17,
  // The gallery file was made with another model.
  LOOKALIKE_STATUS_OTHER_MODEL = 18,
  // There is no room for another item.
  LOOKALIKE_STATUS_FULL = 19,
  // The label is not UTF-8 of at most 32 bytes.
  LOOKALIKE_STATUS_LABEL = 20,
  // Every id has been used.
  LOOKALIKE_STATUS_IDS = 21,
  // The item lies in read-only memory.
  LOOKALIKE_STATUS_READ_ONLY = 22,
  // There is no item with this id.
  LOOKALIKE_STATUS_UNKNOWN_ID = 23,
  // The buffer is too small for the label.
  LOOKALIKE_STATUS_BUFFER = 24,
  // The model file keeps no images for a self-test.
  LOOKALIKE_STATUS_NO_SELF_TEST = 25,
  // The model's self-test failed.
  LOOKALIKE_STATUS_SELF_TEST = 26,
  // The model has no acceptance threshold.
  LOOKALIKE_STATUS_NO_ACCEPTANCE = 27,
  // An error of a newer library that this interface has no code for.
  LOOKALIKE_STATUS_OTHER = 28,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum lookalike_status lookalike_status;
#else
typedef int32_t lookalike_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What the distance of an [`Acceptance`] is measured to.
enum lookalike_rule
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // The nearest item of the gallery.
  LOOKALIKE_RULE_NEAREST_ITEM = 0,
  // The nearest mean of a label's items.
  LOOKALIKE_RULE_NEAREST_PROTOTYPE = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum lookalike_rule lookalike_rule;
#else
typedef int32_t lookalike_rule;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// An open model: of floating-point or of quantised parameters, as the file says.
typedef struct lookalike_model {
  size_t opaque[60];
} lookalike_model;

// What a model takes and gives.
typedef struct lookalike_dimensions {
  // Bytes of a pixel: 1 for grey, 3 for colour.
  size_t channels;
  // Rows of the image.
  size_t height;
  // Columns of the image.
  size_t width;
  // Bytes of the image: height x width x channels.
  size_t image_bytes;
  // Bytes of the workspace that `lookalike_model_embed` needs.
  size_t workspace_bytes;
  // Words of 4 bytes of an embedding. What they hold depends on the model:
  // only the library reads them.
  size_t embedding_words;
  // A number that changes with everything that determines the embedding.
  uint32_t fingerprint;
} lookalike_dimensions;

// When a thing counts as recognised: if its distance is at most the threshold.
typedef struct lookalike_acceptance {
  // Largest squared Euclidean distance that is accepted, from 0 to 4.
  float threshold;
  // The share of impostors that it was calibrated to accept, from 0 to 1.
  float false_accept_rate;
  // What the distance is measured to.
  lookalike_rule rule;
} lookalike_acceptance;

// An open gallery: the items of a read-only file and those enrolled since,
// searched as one.
//
// Ids are stable: the file's items have 0 to n - 1, enrolled items count on
// from n, and the id of a removed item is not used again.
typedef struct lookalike_gallery {
  size_t opaque[20];
} lookalike_gallery;

// One item that a search found.
typedef struct lookalike_match {
  // The item's id.
  uint32_t id;
  // Squared Euclidean distance to the query, from 0 to 4.
  float distance;
} lookalike_match;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// A sentence for a status, in static memory; also for a number that is none.
const char *lookalike_status_message(int32_t status);

// Opens a model file where it lies, at an address that is a multiple of 4,
// and checks all of it. The bytes must stay as they are while the model is
// in use.
lookalike_status lookalike_model_open(struct lookalike_model *model,
                                      const void *file,
                                      size_t file_bytes);

// What an open model takes and gives.
lookalike_status lookalike_model_dimensions(const struct lookalike_model *model,
                                            struct lookalike_dimensions *dimensions);

// Embeds an image: height x width pixels in rows from the top, each of
// `channels` bytes. `embedding` then points to the embedding's words; they
// lie at the start of the workspace, until that is used again.
//
// The workspace's address is a multiple of 4; what it held does not matter.
lookalike_status lookalike_model_embed(const struct lookalike_model *model,
                                       const uint8_t *image,
                                       size_t image_bytes,
                                       void *workspace,
                                       size_t workspace_bytes,
                                       const uint32_t **embedding);

// Embeds the images that the model file keeps for this and compares the
// embeddings with those kept beside them: it finds a wrong compiler flag or
// damaged memory before a user does. The workspace is that of
// `lookalike_model_embed`.
lookalike_status lookalike_model_self_test(const struct lookalike_model *model,
                                           void *workspace,
                                           size_t workspace_bytes);

// The threshold that was calibrated for the model.
lookalike_status lookalike_model_acceptance(const struct lookalike_model *model,
                                            struct lookalike_acceptance *acceptance);

// Opens a gallery of a model's embeddings. A gallery file, if there is one,
// lies at an address that is a multiple of 4 and is checked; a null pointer
// and 0 bytes stand for none.
//
// Enrolled items are kept in `memory`, an array of
// `LOOKALIKE_GALLERY_WORDS(capacity, embedding_words)` words; a null pointer and
// 0 bytes stand for a gallery that cannot grow. File and memory belong to the
// gallery while it is in use, the model does not.
lookalike_status lookalike_gallery_open(struct lookalike_gallery *gallery,
                                        const struct lookalike_model *model,
                                        const void *file,
                                        size_t file_bytes,
                                        uint32_t *memory,
                                        size_t memory_bytes);

// Number of items, the file's included.
lookalike_status lookalike_gallery_len(const struct lookalike_gallery *gallery, size_t *len);

// How many items can be enrolled at a time.
lookalike_status lookalike_gallery_capacity(const struct lookalike_gallery *gallery,
                                            size_t *capacity);

// Adds an item and gives its id. The label is UTF-8 of at most 32 bytes and a
// closing 0, the embedding one of the gallery's model; both are copied.
lookalike_status lookalike_gallery_enrol(struct lookalike_gallery *gallery,
                                         const char *label,
                                         const uint32_t *embedding,
                                         size_t embedding_words,
                                         uint32_t *id);

// Removes an enrolled item.
lookalike_status lookalike_gallery_remove(struct lookalike_gallery *gallery, uint32_t id);

// Copies the label of an item, with a closing 0. `LOOKALIKE_LABEL_BYTES`
// suffice for any enrolled item; a gallery file may hold longer labels.
lookalike_status lookalike_gallery_label(const struct lookalike_gallery *gallery,
                                         uint32_t id,
                                         char *buffer,
                                         size_t buffer_bytes);

// Finds the items nearest to an embedding: as many as there are, but at most
// `capacity`, nearest first, ties by lower id. Writes them to `matches` and
// their number to `found`.
lookalike_status lookalike_gallery_search(const struct lookalike_gallery *gallery,
                                          const uint32_t *embedding,
                                          size_t embedding_words,
                                          struct lookalike_match *matches,
                                          size_t capacity,
                                          size_t *found);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LOOKALIKE_H */

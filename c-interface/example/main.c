/* Embeds images, searches a gallery, enrols an item, and shows that misuse gives
 * an error value. It prints a transcript and returns 0 if every answer is that
 * of the Rust library. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "expected.h"
#include "lookalike.h"

/* In assets.S. */
extern const uint8_t digits_model[], digits_model_end[];
extern const uint8_t digits_gallery[], digits_gallery_end[];
extern const uint8_t digits_images[], digits_images_end[];

#define CAPACITY 2
#define IMAGE_BYTES (28 * 28)

static lookalike_model model;
static lookalike_acceptance acceptance;
static lookalike_gallery gallery;
static uint32_t workspace[WORKSPACE_BYTES / 4];
static uint32_t enrolled[LOOKALIKE_GALLERY_WORDS(CAPACITY, EMBEDDING_WORDS)];

static int failures;

static size_t model_bytes(void) { return (size_t)(digits_model_end - digits_model); }
static size_t gallery_bytes(void) { return (size_t)(digits_gallery_end - digits_gallery); }
static const uint8_t *image(size_t i) { return digits_images + i * IMAGE_BYTES; }

static void check(bool holds, const char *what)
{
    if (!holds) {
        printf("FAILED: %s\n", what);
        failures++;
    }
}

/* For calls that must succeed. */
static void done(lookalike_status status, const char *what)
{
    if (status != LOOKALIKE_STATUS_OK) {
        printf("FAILED: %s: %s\n", what, lookalike_status_message(status));
        failures++;
    }
}

/* For calls that must fail. */
static void refused(lookalike_status status, lookalike_status expected, const char *what)
{
    printf("%s: %s\n", what, lookalike_status_message(status));
    check(status == expected, what);
}

static const uint32_t *embed(size_t i)
{
    const uint32_t *embedding = NULL;
    done(lookalike_model_embed(&model, image(i), IMAGE_BYTES, workspace, sizeof workspace,
                               &embedding),
         "embed");
    return embedding;
}

static bool close_to(float x, float y)
{
    float difference = x < y ? y - x : x - y;
    return difference <= 1e-5f;
}

static void search_all(const lookalike_match answers[IMAGES][MATCHES])
{
    for (size_t i = 0; i < IMAGES; i++) {
        lookalike_match matches[MATCHES];
        size_t found = 0;
        done(lookalike_gallery_search(&gallery, embed(i), EMBEDDING_WORDS, matches, MATCHES, &found),
             "search");
        check(found == MATCHES, "number of matches");
        printf("image %2u:", (unsigned)i);
        for (size_t k = 0; k < found; k++) {
            char label[LOOKALIKE_LABEL_BYTES];
            done(lookalike_gallery_label(&gallery, matches[k].id, label, sizeof label), "label");
            printf(" %u (%s)", (unsigned)matches[k].id, label);
            check(matches[k].id == answers[i][k].id, "id");
            check(close_to(matches[k].distance, answers[i][k].distance), "distance");
        }
        printf(matches[0].distance <= acceptance.threshold ? "\n" : ", unknown\n");
    }
}

static void use(void)
{
    lookalike_dimensions dimensions;
    size_t len = 0, capacity = 0;
    uint32_t id = 0;

    done(lookalike_model_open(&model, digits_model, model_bytes()), "open the model");
    done(lookalike_model_dimensions(&model, &dimensions), "dimensions");
    printf("model: images of %ux%ux%u, embeddings of %u words, workspace of %u bytes\n",
           (unsigned)dimensions.height, (unsigned)dimensions.width, (unsigned)dimensions.channels,
           (unsigned)dimensions.embedding_words, (unsigned)dimensions.workspace_bytes);
    check(dimensions.image_bytes == IMAGE_BYTES, "image bytes");
    check(dimensions.workspace_bytes == WORKSPACE_BYTES, "workspace bytes");
    check(dimensions.embedding_words == EMBEDDING_WORDS, "embedding length");

    done(lookalike_model_self_test(&model, workspace, sizeof workspace), "self-test");
    done(lookalike_model_acceptance(&model, &acceptance), "acceptance");
    check(acceptance.rule == LOOKALIKE_RULE_NEAREST_ITEM, "rule of acceptance");

    done(lookalike_gallery_open(&gallery, &model, digits_gallery, gallery_bytes(), enrolled,
                                sizeof enrolled),
         "open the gallery");
    done(lookalike_gallery_len(&gallery, &len), "gallery length");
    done(lookalike_gallery_capacity(&gallery, &capacity), "gallery capacity");
    printf("gallery: %u items, room for %u more\n", (unsigned)len, (unsigned)capacity);
    check(capacity == CAPACITY, "capacity");
    search_all(expected);

    done(lookalike_gallery_enrol(&gallery, "enrolled nine", embed(ENROLLED_IMAGE), EMBEDDING_WORDS,
                                 &id),
         "enrol");
    printf("enrolled image %u as item %u\n", ENROLLED_IMAGE, (unsigned)id);
    check(id == ENROLLED_ID, "id of the enrolled item");
    search_all(expected_with_enrolled);

    done(lookalike_gallery_remove(&gallery, id), "remove");
    done(lookalike_gallery_enrol(&gallery, "again", embed(ENROLLED_IMAGE), EMBEDDING_WORDS, &id),
         "enrol again");
    printf("removed it and enrolled it again as item %u\n", (unsigned)id);
    check(id == ENROLLED_ID + 1, "ids are not used again");
    done(lookalike_gallery_remove(&gallery, id), "remove again");
}

static void misuse(void)
{
    static uint32_t room[4096];
    uint8_t *bytes = (uint8_t *)room;
    lookalike_model other, copy;
    lookalike_gallery closed;
    const uint32_t *embedding = embed(0);
    const uint32_t *unused;
    lookalike_match matches[1];
    char label[LOOKALIKE_LABEL_BYTES];
    size_t found;
    uint32_t id;

    printf("misuse\n");
    refused(lookalike_model_open(NULL, digits_model, model_bytes()), LOOKALIKE_STATUS_NULL,
            "no handle");
    refused(lookalike_model_open(&other, NULL, model_bytes()), LOOKALIKE_STATUS_NULL,
            "no model");
    memcpy(bytes + 1, digits_model, model_bytes());
    refused(lookalike_model_open(&other, bytes + 1, model_bytes()), LOOKALIKE_STATUS_MISALIGNED,
            "misaligned model");
    refused(lookalike_model_open(&other, digits_model, model_bytes() - 1),
            LOOKALIKE_STATUS_TRUNCATED, "truncated model");
    memcpy(bytes, digits_model, model_bytes());
    bytes[model_bytes() / 2] ^= 1;
    refused(lookalike_model_open(&other, bytes, model_bytes()), LOOKALIKE_STATUS_CHECKSUM,
            "damaged model");
    refused(lookalike_model_open(&other, digits_gallery, gallery_bytes()), LOOKALIKE_STATUS_MAGIC,
            "gallery for a model");
    refused(lookalike_model_embed(&other, image(0), IMAGE_BYTES, workspace, sizeof workspace,
                                  &unused),
            LOOKALIKE_STATUS_HANDLE, "model that was not opened");
    memcpy(&copy, &model, sizeof copy);
    refused(lookalike_model_embed(&copy, image(0), IMAGE_BYTES, workspace, sizeof workspace,
                                  &unused),
            LOOKALIKE_STATUS_HANDLE, "copied handle");

    refused(lookalike_model_embed(&model, NULL, IMAGE_BYTES, workspace, sizeof workspace, &unused),
            LOOKALIKE_STATUS_NULL, "no image");
    refused(lookalike_model_embed(&model, image(0), IMAGE_BYTES - 1, workspace, sizeof workspace,
                                  &unused),
            LOOKALIKE_STATUS_IMAGE, "wrong image size");
    refused(lookalike_model_embed(&model, image(0), IMAGE_BYTES, room, WORKSPACE_BYTES - 4,
                                  &unused),
            LOOKALIKE_STATUS_WORKSPACE, "too small a workspace");
    refused(lookalike_model_embed(&model, image(0), IMAGE_BYTES, bytes + 2, WORKSPACE_BYTES,
                                  &unused),
            LOOKALIKE_STATUS_MISALIGNED, "misaligned workspace");
    refused(lookalike_model_embed(&model, bytes, IMAGE_BYTES, room, WORKSPACE_BYTES, &unused),
            LOOKALIKE_STATUS_OVERLAP, "image in the workspace");

    memset(&closed, 0, sizeof closed);
    refused(lookalike_gallery_len(&closed, &found), LOOKALIKE_STATUS_HANDLE,
            "gallery that was not opened");
    refused(lookalike_gallery_open(&closed, &model, digits_gallery, gallery_bytes() / 2, NULL, 0),
            LOOKALIKE_STATUS_TRUNCATED, "truncated gallery");
    refused(lookalike_gallery_search(&gallery, embedding, EMBEDDING_WORDS - 1, matches, 1, &found),
            LOOKALIKE_STATUS_DIMENSION, "query of another dimension");
    refused(lookalike_gallery_search(&gallery, embedding, EMBEDDING_WORDS, NULL, 1, &found),
            LOOKALIKE_STATUS_NULL, "no room for matches");
    refused(lookalike_gallery_label(&gallery, 1000, label, sizeof label),
            LOOKALIKE_STATUS_UNKNOWN_ID, "label of an unknown id");
    refused(lookalike_gallery_label(&gallery, 0, label, 1), LOOKALIKE_STATUS_BUFFER,
            "too small a buffer for a label");
    refused(lookalike_gallery_remove(&gallery, 1000), LOOKALIKE_STATUS_UNKNOWN_ID,
            "removing an unknown id");
    refused(lookalike_gallery_remove(&gallery, 0), LOOKALIKE_STATUS_READ_ONLY,
            "removing an item of the file");
    refused(lookalike_gallery_enrol(&gallery, "a label of thirty-three letters..", embedding,
                                    EMBEDDING_WORDS, &id),
            LOOKALIKE_STATUS_LABEL, "too long a label");
    refused(lookalike_gallery_enrol(&gallery, "\xFF", embedding, EMBEDDING_WORDS, &id),
            LOOKALIKE_STATUS_LABEL, "label that is not UTF-8");
    for (int i = 0; i < CAPACITY; i++)
        done(lookalike_gallery_enrol(&gallery, "", embedding, EMBEDDING_WORDS, &id), "fill");
    refused(lookalike_gallery_enrol(&gallery, "", embedding, EMBEDDING_WORDS, &id),
            LOOKALIKE_STATUS_FULL, "full gallery");
}

int main(void)
{
    use();
    misuse();
    printf(failures == 0 ? "passed\n" : "failed\n");
    return failures == 0 ? 0 : 1;
}

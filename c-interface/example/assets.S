/* Puts model, gallery and images into read-only memory, where they are used in
 * place. Model and gallery must be aligned to 4 bytes; 16 suits every cache. */
    .section .rodata

    .macro asset name, path
    .balign 16
    .global \name
    .global \name\()_end
\name:
    .incbin "\path"
\name\()_end:
    .endm

    asset digits_model, "digits.model"
    asset digits_gallery, "digits.gallery"
    asset digits_images, "digits.images"

#ifdef __ELF__
#ifdef __linux__
    .section .note.GNU-stack, "", %progbits
#endif
#endif

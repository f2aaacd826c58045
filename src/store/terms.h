/* What a config.pbtxt says of a model that its clients see: shapes in place of the model's own, and
 * what is merely told.
 *
 * Immutable once made; goes with the version that it belongs to. How a model is run is in its
 * tuning, the labels of its classes in its signatures. */
#ifndef SV_STORE_TERMS_H
#define SV_STORE_TERMS_H

#include "store/store.h"

/* The shape that clients see, and the model's own, both with the batch's dimension; as many of
 * either are open, and belong together in their order. */
typedef struct sv_reshape {
    bool on;
    int32_t rank, model_rank;
    int64_t dim[SV_MAX_RANK], model_dim[SV_MAX_RANK];
} sv_reshape;

typedef struct sv_terms {
    sv_arena arena;           /* of all below */
    const sv_reshape *input;  /* [inputs of the model] */
    const sv_reshape *output; /* [outputs of the model] */
    const char **label_file;  /* [outputs of the model]; NULL: none */
    const sv_warmup *warmup;  /* [warmup_count], without their inputs */
    size_t warmup_count;
    const sv_declared_parameter *parameter; /* [parameter_count] */
    size_t parameter_count;
} sv_terms;

/* *out is NULL where there is no config.pbtxt. INVALID_ARGUMENT for a reshape that changes the
 * number of elements, or that leads to a shape that the model does not have. `layout` must have
 * been held to the model (store/served.h). Returns owned. */
SV_MUST_USE sv_status sv_terms_create(const sv_layout *layout, const sv_model *model,
                                      sv_terms **out);
void sv_terms_destroy(sv_terms *terms); /* NULL is allowed */

/* An input or output as clients see it: the model's own, or `room`, which then has another shape;
 * NULL for the model's own in any case. */
const sv_port *sv_terms_port(const sv_served *served, bool input, size_t index, sv_port *room);
/* From the shape of a client's input to the model's; as it was where it is not reshaped. False
 * when the shape is not that which clients see. */
bool sv_terms_take_shape(const sv_served *served, size_t input, int32_t *rank, int64_t *dim);
/* From the shape of the model's output to that which clients see; as it was where it is not
 * reshaped, or is not of the shape that was declared. */
void sv_terms_give_shape(const sv_served *served, size_t output, int32_t *rank, int64_t *dim);

#endif

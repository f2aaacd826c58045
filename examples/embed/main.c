/* A program that embeds Serval: loads a model, runs it once on a picture of a zero, prints what it
 * sees.
 *
 *   embed examples/digits/model.onnx */
#include <serval/serval.h>

#include <stdio.h>

/* An 8x8 picture, one image of one channel: 0 is paper, 1 is ink. */
static const float picture[64] = {
    0.00f, 0.00f, 0.31f, 0.81f, 0.56f, 0.06f, 0.00f, 0.00f, 0.00f, 0.00f, 0.81f, 0.94f, 0.62f,
    0.94f, 0.31f, 0.00f, 0.00f, 0.19f, 0.94f, 0.12f, 0.00f, 0.69f, 0.50f, 0.00f, 0.00f, 0.25f,
    0.75f, 0.00f, 0.00f, 0.50f, 0.50f, 0.00f, 0.00f, 0.31f, 0.50f, 0.00f, 0.00f, 0.56f, 0.50f,
    0.00f, 0.00f, 0.25f, 0.69f, 0.00f, 0.06f, 0.75f, 0.44f, 0.00f, 0.00f, 0.12f, 0.88f, 0.31f,
    0.62f, 0.75f, 0.00f, 0.00f, 0.00f, 0.00f, 0.38f, 0.81f, 0.62f, 0.00f, 0.00f, 0.00f,
};

static int failed(const char *what, sv_status status)
{
    fprintf(stderr, "%s: %s\n", what, sv_status_message(status));
    sv_status_free(status);
    return 1;
}

static int show(sv_session *session)
{
    sv_buffer result;
    sv_status status = sv_session_output(session, 0, &result);
    if (status) return failed("output", status);
    const float *probability = result.data;
    for (int digit = 0; digit < (int)result.dim[1]; digit++)
        printf("%d: %.3f\n", digit, (double)probability[digit]);
    return 0;
}

int main(int argc, char **argv)
{
    sv_runtime *runtime = NULL;
    sv_model *model = NULL;
    sv_session *session = NULL;
    sv_buffer input = {.dtype = SV_F32,
                       .rank = 4,
                       .dim = {1, 1, 8, 8},
                       .data = (void *)picture,
                       .size = sizeof(picture)};
    if (argc != 2) {
        fprintf(stderr, "usage: embed MODEL\n");
        return 2;
    }
    sv_status status = sv_runtime_create(NULL, &runtime);
    if (!status) status = sv_model_load(runtime, argv[1], &model);
    if (!status) status = sv_session_create(model, 1, &session);
    if (!status) status = sv_session_bind_input(session, 0, &input);
    if (!status) status = sv_session_run(session);
    int code = status ? failed(argv[1], status) : show(session);
    sv_session_destroy(session);
    sv_model_unref(model);
    sv_runtime_destroy(runtime);
    return code;
}

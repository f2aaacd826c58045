/* Small graphs for the tests of ir. */
#ifndef TESTS_UNIT_IR_GRAPHS_H
#define TESTS_UNIT_IR_GRAPHS_H

#include "ir/module.h"

/* A module with one entry graph "g" and its input "x". */
sv_module *make_module(sv_value_id *x);
sv_graph *main_graph(sv_module *module);
/* Appends a node of one output; `b` may be SV_NO_VALUE (then it has one input). */
sv_value_id add(sv_graph *graph, sv_op op, const char *name, sv_value_id a, sv_value_id b);

#endif

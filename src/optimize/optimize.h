/* Optional rewrites: the same answers by fewer or cheaper operators. One pass a file; passes.inc
 * lists them in the order in which they run. Types have been inferred before. */
#ifndef SV_OPTIMIZE_OPTIMIZE_H
#define SV_OPTIMIZE_OPTIMIZE_H

#include "ir/module.h"

/* Runs all passes over the module's graphs and their nested graphs, then infers types again. */
SV_MUST_USE sv_status sv_optimize(sv_module *module);

#endif

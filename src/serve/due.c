/* The list of what falls due. */
#include "serve/due.h"

#include <stddef.h>

void sv_due_insert(sv_due_list *list, sv_due *due, uint64_t at)
{
    sv_due *sooner = list->last;
    while (sooner && sooner->at > at)
        sooner = sooner->sooner;
    due->at = at;
    due->sooner = sooner;
    due->later = sooner ? sooner->later : list->first;
    *(sooner ? &sooner->later : &list->first) = due;
    *(due->later ? &due->later->sooner : &list->last) = due;
}

void sv_due_remove(sv_due_list *list, sv_due *due)
{
    if (!due->at) return;
    *(due->sooner ? &due->sooner->later : &list->first) = due->later;
    *(due->later ? &due->later->sooner : &list->last) = due->sooner;
    *due = (sv_due){.at = 0};
}

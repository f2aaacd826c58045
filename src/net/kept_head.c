/* What both protocols do with a head that is kept. */
#include "net/kept_head.h"

#include "net/hub.h"
#include "net/target.h"

sv_status sv_head_split(sv_head *head, sv_string *segments, char *decoded)
{
    head->segments = segments;
    return sv_target_split(head->path, segments, &head->segment_count, decoded);
}

void sv_kept_head_give(sv_kept_head *kept, sv_exchange *x)
{
    x->wire->head = kept;
    x->note = kept->note;
    x->head = kept->head;
}

/* A doubly linked list through its members, for queues by age. Externally synchronised. */
#ifndef SV_NET_LIST_H
#define SV_NET_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* A list's head, and a member's link. A link that is in no list points to itself. */
typedef struct sv_link {
    struct sv_link *next, *prev;
} sv_link;

static inline void sv_link_init(sv_link *link)
{
    link->next = link->prev = link;
}

static inline bool sv_link_is_alone(const sv_link *link)
{
    return link->next == link;
}

static inline void sv_link_remove(sv_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    sv_link_init(link);
}

/* Puts `link`, which is in no list, at the end of `list`. */
static inline void sv_list_append(sv_link *list, sv_link *link)
{
    link->prev = list->prev;
    link->next = list;
    list->prev->next = link;
    list->prev = link;
}

/* The structure of `type` that holds the link `pointer` as its field `member`. */
#define SV_CONTAINER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif

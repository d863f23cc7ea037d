#include "net/registry.h"

#include <stdio.h>

void registry_add(struct registry *r, struct conn_info *info)
{
    lock_acquire(&r->lock);
    info->next = r->first;
    info->link = &r->first;
    if (r->first)
        r->first->link = &info->next;
    r->first = info;
    r->count++;
    lock_release(&r->lock);
}

void registry_remove(struct registry *r, struct conn_info *info)
{
    lock_acquire(&r->lock);
    *info->link = info->next;
    if (info->next)
        info->next->link = info->link;
    r->count--;
    lock_release(&r->lock);
    mem_strfree(info->name);
    mem_strfree(info->lib_name);
    mem_strfree(info->lib_version);
    mem_strfree(info->user);
}

void registry_set_addresses(struct registry *r, struct conn_info *info, const char *peer,
                            const char *local)
{
    lock_acquire(&r->lock);
    snprintf(info->peer, sizeof(info->peer), "%s", peer);
    snprintf(info->local, sizeof(info->local), "%s", local);
    lock_release(&r->lock);
}

void registry_set_text(struct registry *r, char **field, const char *text)
{
    char *fresh = text ? mem_strdup(text) : NULL;
    lock_acquire(&r->lock);
    char *old = *field;
    *field = fresh;
    lock_release(&r->lock);
    mem_strfree(old);
}

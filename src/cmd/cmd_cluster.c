/* Redis Cluster's commands, as a server outside of a cluster answers them: clients ask CLUSTER to
 * learn that, and look for this very text. */
#include "cmd/exec.h"

#define OUTSIDE_OF_CLUSTER(id)                                      \
    void cmd_##id(struct exec *ex)                                  \
    {                                                               \
        fail(ex, "ERR This instance has cluster support disabled"); \
    }

OUTSIDE_OF_CLUSTER(cluster_addslots)
OUTSIDE_OF_CLUSTER(cluster_addslotsrange)
OUTSIDE_OF_CLUSTER(cluster_bumpepoch)
OUTSIDE_OF_CLUSTER(cluster_count_failure_reports)
OUTSIDE_OF_CLUSTER(cluster_countkeysinslot)
OUTSIDE_OF_CLUSTER(cluster_delslots)
OUTSIDE_OF_CLUSTER(cluster_delslotsrange)
OUTSIDE_OF_CLUSTER(cluster_failover)
OUTSIDE_OF_CLUSTER(cluster_flushslots)
OUTSIDE_OF_CLUSTER(cluster_forget)
OUTSIDE_OF_CLUSTER(cluster_getkeysinslot)
OUTSIDE_OF_CLUSTER(cluster_help)
OUTSIDE_OF_CLUSTER(cluster_info)
OUTSIDE_OF_CLUSTER(cluster_keyslot)
OUTSIDE_OF_CLUSTER(cluster_links)
OUTSIDE_OF_CLUSTER(cluster_meet)
OUTSIDE_OF_CLUSTER(cluster_myid)
OUTSIDE_OF_CLUSTER(cluster_myshardid)
OUTSIDE_OF_CLUSTER(cluster_nodes)
OUTSIDE_OF_CLUSTER(cluster_replicas)
OUTSIDE_OF_CLUSTER(cluster_replicate)
OUTSIDE_OF_CLUSTER(cluster_reset)
OUTSIDE_OF_CLUSTER(cluster_saveconfig)
OUTSIDE_OF_CLUSTER(cluster_set_config_epoch)
OUTSIDE_OF_CLUSTER(cluster_setslot)
OUTSIDE_OF_CLUSTER(cluster_shards)
OUTSIDE_OF_CLUSTER(cluster_slaves)
OUTSIDE_OF_CLUSTER(cluster_slots)
OUTSIDE_OF_CLUSTER(asking)
OUTSIDE_OF_CLUSTER(readonly)
OUTSIDE_OF_CLUSTER(readwrite)

"""Several hosts on one machine: network namespaces between which packets can be dropped."""

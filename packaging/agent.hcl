# agent.hcl: which clients may reach which containers of this Docker host.
#
# As installed it says no more than the defaults, and nothing of it is in force
# until you start dockwall:
#
#   agentctl check                  is the file right?
#   agentctl diff                   what would change, and for which clients?
#   agentctl apply                  puts it in force once, without the daemon
#   agentctl apply --confirm 60s    the same, and goes back unless agentctl confirm
#   systemctl enable --now dockwall
#
# The daemon applies the file whenever it changes. A file with an error changes
# nothing. More files may stand in agent.d/*.hcl; all are read as one. The order
# of blocks has no meaning. dockwall only narrows: it never opens what another
# firewall on this host closes. All of it: man 5 agent.hcl

# ---- What holds where no policy speaks: these are the defaults --------------

defaults {
  published = "deny"            # from outside to published ports: only what a policy allows
  direct    = "deny"            # routed straight to a container's own address: only what a direct block allows
  between   = "allow"           # from container to container on one Docker network
  egress    = "allow"           # from containers to the outside
  dns       = "allow"           # from containers to their name servers, whatever egress, host and between say
  host      = "allow"           # from containers to the host's own services
  spoofing  = "allow"           # "deny": a container sends only from its own Ethernet and IP addresses
}

# Docker's own TCP ports (2375, 2376) are closed to all except this host, unless a
# docker_api block (below) opens them.

# ---- Names: define them once, refer to them as addresses.office --------------

#addresses "office" {
#  cidrs = ["203.0.113.0/24", "2001:db8:10::/48"]
#}

#addresses "blocklist" {
#  cidrs = ["203.0.113.66"]
#  # file = "blocklist.cidr"     # long lists: one CIDR per line, # or ; for comments;
#}                               # the file stands beside agent.hcl and is watched too

#interfaces "lan" {
#  names = ["eth1", "bond*"]     # a * at the end: every NIC whose name begins so
#  cidrs = ["10.0.0.0/8"]        # and the NICs that have an address in here
#}

#containers "web" {
#  names = ["web-*"]             # in a list, one is enough; * and ? are wildcards
#}                               # also: images, labels, networks, compose; if several are given, all must hold

#containers "db" {
#  compose = ["shop/db"]         # project/service of Docker Compose
#}

# ---- Policies: each allows something; together they are a union -------------

# The shop is for the office, and for one partner, on the LAN's NICs only.
#published "shop" {
#  to     = [containers.web]     # left out: every container
#  ports  = ["80/tcp", "443/tcp"]  # the host's ports; "8000-8100/tcp" is a range, "53" is tcp and udp
#  from   = [addresses.office, "198.51.100.20"]   # ["any"] is everybody
#  except = ["203.0.113.99"]     # but not these
#  via    = [interfaces.lan]     # left out: whatever NIC it came in by
#}

# One Docker network that is isolated, and the connections it allows.
#network "shop_back" {
#  between = "deny"
#}

#between "web-db" {
#  from  = [containers.web]
#  to    = [containers.db]
#  ports = ["5432/tcp"]          # the container's own port
#}

# The database may fetch updates, and reaches nothing else outside.
#egress "mirror" {
#  from  = [containers.db]
#  to    = ["192.0.2.80"]
#  ports = ["443/tcp"]
#}

# Of the host itself the database may use nothing but its name server.
#host "dns" {
#  from  = [containers.db]
#  ports = ["53"]
#}

# A client that may use Docker's API over TCP is root here.
#docker_api {
#  from        = [addresses.office]
#  via         = [interfaces.lan]
#  ports       = ["2376/tcp"]   # left out: every port of the API
#  require_tls = true    # only while dockerd is proven to ask for certificates
#}

# Before everything else: nothing from these, and nothing to them.
#block "abusers" {
#  from = [addresses.blocklist]
#  to   = [addresses.blocklist]
#}

# ---- Settings: every one is optional, these are the defaults ----------------

#log {
#  level  = "info"               # trace, debug, info, warn, error
#  format = "text"               # text, json
#}

#docker {
#  host = "unix:///var/run/docker.sock"
#}

#control {
#  socket  = "/run/dockwall/agent.sock"  # agentctl status and denied ask here
#  metrics = ""                  # "127.0.0.1:9323" serves Prometheus metrics there
#}

#firewall {
#  backend    = "auto"           # auto, iptables-nft, iptables-legacy, nftables
#  sets       = "auto"           # auto, ipset, inline (for kernels without ipset)
#  deny_with  = "drop"           # drop: say nothing; reject: tell the sender
#  log_denied = true             # agentctl denied shows what was stopped
#  resync     = "30s"            # look at the whole kernel that often, even if nothing happened
#  on_stop    = "keep"           # keep the rules when the daemon stops, or remove them
#}

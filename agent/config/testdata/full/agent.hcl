log {
  level  = "debug"
  format = "json"
}
docker {
  host = "tcp://127.0.0.1:2375"
}
control {
  socket  = "/run/other.sock"
  metrics = "[::1]:9323"
}
firewall {
  backend    = "iptables-legacy"
  sets       = "inline"
  deny_with  = "reject"
  log_denied = false
  resync     = "5m"
  on_stop    = "remove"
}

addresses "office" {
  cidrs = ["203.0.113.0/24", "2001:db8:10::/48"]
  file  = "office.cidr"
}
addresses "blocklist" {
  cidrs = ["192.0.2.66"]
}
interfaces "lan" {
  names = ["eth1", "bond*"]
  cidrs = ["10.0.0.0/8"]
}
containers "web" {
  names    = ["web-*", "front"]
  images   = ["nginx:*"]
  labels   = { tier = "front*", "com.example.size" = 3 }
  networks = ["shop_front"]
  compose  = ["shop/web", "*/api"]
}

defaults {
  published = "allow"
  between   = "deny"
  egress    = "deny"
  host      = "deny"
}
network "shop_back" {
  between = "allow"
}

published "shop" {
  to     = [containers.web, containers.db]
  ports  = ["443/tcp", "8000-8100/tcp", "53", 8443, "90/sctp"]
  from   = ["198.51.100.7", addresses.ops, addresses.office]
  except = ["203.0.113.66"]
  via    = [interfaces.lan]
}
published "everybody" {
  from = ["any"]
}
egress "mirror" {
  from   = [containers.db]
  to     = ["192.0.2.0/24"]
  except = ["192.0.2.9"]
  ports  = ["443/tcp"]
  via    = [interfaces.lan]
}
host "dns" {
  from  = [containers.web]
  ports = ["53"]
}
docker_api {
  ports  = ["9323", "2376/tcp"]
  from   = [addresses.ops]
  except = ["198.51.100.8"]
  via    = [interfaces.lan]
  require_tls = true
}
block "abusers" {
  from = [addresses.blocklist]
  to   = [addresses.blocklist]
}
quarantine "escape" { # a container with such a finding is cut off
  on     = ["container.privileged", "container.docker-socket"]
  except = [containers.web]
}
audit {
  every      = "12h"
  fail_on    = "high"
  registries = ["registry.example.com:5000"]
  skip "container.host-network" {
    of     = [containers.web]
    reason = "VRRP on the NIC"
    until  = "2027-06-30"
  }
}
direct "site" {
  to     = [containers.web, addresses.ops, "10.8.0.0/24"]
  ports  = ["80/tcp"]
  from   = [addresses.office]
  except = ["203.0.113.9"]
  via    = [interfaces.lan]
}
network "shop_front" {
  direct = "allow"
}
swarm {
  peers = [addresses.ops, "192.0.2.11"]
}
spoofing "vrrp" {
  of        = [containers.web]
  addresses = [addresses.ops, "172.18.0.250"]
  macs      = ["00:00:5e:00:01:0a"]
}
network "shop_vpn" {
  spoofing = "deny"
}

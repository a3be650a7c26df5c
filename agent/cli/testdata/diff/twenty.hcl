addresses "office" { cidrs = ["203.0.113.0/24", "2001:db8:10::/48"] }
addresses "cdn" { cidrs = ["198.51.100.0/25", "198.51.100.192/26", "2001:db8:cd::/48"] }
addresses "monitoring" { cidrs = ["10.1.2.50"] }
addresses "abusers" { cidrs = ["192.0.2.66", "192.0.2.128/25"] }
addresses "mirror" { cidrs = ["198.51.100.180"] }
interfaces "lan" { names = ["eth1"] }
containers "web" { compose = ["*/web"] }
containers "db" { compose = ["*/db"] }
containers "exporters" { names = ["*-exporter"] }
containers "app" { compose = ["*/app"] }

defaults { between = "deny" }
published "site" {
  to    = [containers.web]
  ports = ["443/tcp", "80/tcp"]
  from  = [addresses.cdn]
}
published "admin" {
  from = [addresses.office]
  via  = [interfaces.lan]
}
published "scrape" {
  to   = [containers.exporters]
  from = [addresses.monitoring]
}
between "web-app" {
  from  = [containers.web]
  to    = [containers.app]
  ports = ["8080/tcp"]
}
between "app-db" {
  from  = [containers.app]
  to    = [containers.db]
  ports = ["5432/tcp"]
}
egress "updates" {
  from  = [containers.db]
  to    = [addresses.mirror]
  ports = ["443/tcp"]
}
docker_api { from = [addresses.office] }
block "abusers" { from = [addresses.abusers] }

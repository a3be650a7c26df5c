containers db {
  names = ["db"]
}
addresses "ops" {
  cidrs = ["198.51.100.8/30"]
}
between "web-db" {
  from  = [containers.web]
  to    = [containers.db]
  ports = ["5432/tcp"]
}

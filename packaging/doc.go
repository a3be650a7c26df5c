// Package packaging holds what the deb and rpm packages are made of: units,
// maintainer scripts, manual pages, the agent.hcl that is installed. There is
// no code in it but its tests; build.sh makes the packages (make deb, make rpm).
//
// It is not for what the programs do: where a unit needs something of agentd or
// agentctl, that is theirs.
//
// Invariants:
//
//  1. Installing starts nothing and changes no rule.
//  2. An upgrade never opens anything; a removal leaves no rule, a purge no file
//     except keys and certificates, which an operator removes.
//  3. The agent.hcl that the first installation makes means what an empty one means.
//     No package owns it: upgrades never ask about it and never change it.
//  4. The same commit and Go give the same bytes.
//  5. The daemon's sandbox is at 2.5 or lower on systemd's scale, and holds no
//     capability but CAP_NET_ADMIN, CAP_NET_RAW and CAP_LEASE.
package packaging

package finding

import "time"

// The codes of reasons: the state is degraded.
const (
	Config          Code = "config"
	List            Code = "list"
	Unconfirmed     Code = "unconfirmed"
	DockerAway      Code = "docker_away"
	DockerElsewhere Code = "docker_elsewhere"
	BridgeMissing   Code = "bridge_missing"
	Facts           Code = "facts"
	Backend         Code = "backend"
	Apply           Code = "apply"
	Frames          Code = "frames"
	ContestedRules  Code = "contested"
	Pending         Code = "pending"
	Isolation       Code = "isolation"
	Spoofing        Code = "spoofing"
	Family          Code = "family"
	Unattributed    Code = "unattributed"
)

// The codes of warnings.
const (
	DockerNFTables       Code = "docker_nftables"
	ForwardDrop          Code = "forward_drop"
	NotCovered           Code = "not_covered"
	SharesNetwork        Code = "shares_network"
	SelectorMatchesNone  Code = "selector_matches_nothing"
	NICMissing           Code = "nic_missing"
	NICIsPort            Code = "nic_is_port"
	NetworkMissing       Code = "network_missing"
	NoCommonNetwork      Code = "no_common_network"
	ClosedByDocker       Code = "closed_by_docker"
	UnmatchableInterface Code = "unmatchable_interface"
	NoIPSet              Code = "no_ipset"
	NotReported          Code = "not_reported"
	NoFrames             Code = "no_frames"
	NoLatch              Code = "no_latch"
	NoTLS                Code = "docker_api_no_tls"
	APIOpen              Code = "docker_api_open"
	APIPlain             Code = "docker_api_plain"
	TLSExpiry            Code = "tls_expiry"
	TLSName              Code = "tls_name"
	TLSWeakKey           Code = "tls_weak_key"
	SavedRules           Code = "saved_rules"
	Quarantined          Code = "quarantined"
)

// Kinds returns the table: first the reasons, then the warnings.
func Kinds() []Kind { return append(reasons(), warnings()...) }

func reasons() []Kind {
	return []Kind{
		{Code: Config, Severity: Medium, Effect: Degrades,
			Means: "the file has errors; the last good policy is in force",
			Fix:   "agentctl check says where"},
		{Code: List, Severity: Medium, Effect: Degrades,
			Means: "a file has errors or is being written; its last good state is in force, and everything else is as the files say",
			Fix:   "agentctl check says what is wrong with the file"},
		{Code: Unconfirmed, Severity: Medium, Effect: Degrades,
			Means: "the file was on trial and was not confirmed; the policy of before is in force",
			Fix:   "change the file, or put it in force with agentctl apply"},
		{Code: DockerAway, Severity: Medium, Effect: Degrades,
			Means: "Docker does not answer; its containers are as last seen, and closed ports stay closed",
			Fix:   "systemctl status docker; is docker.host right?"},
		{Code: DockerElsewhere, Severity: High, Effect: NotInForce,
			Means: "the engine's networks are not in this host's network namespace (rootless Docker, an engine on another host, an agent in a container of its own); no rule here meets their packets",
			Fix:   "run dockwall in the network namespace of the engine, on its host, or point docker.host at this host's engine"},
		{Code: BridgeMissing, Severity: High, Effect: NotInForce,
			Means: "the engine lists a network whose bridge this host does not have; no rule here meets the packets of its containers",
			Fix:   "if the engine is this host's, restart it, and it makes the bridge again; if not, correct docker.host"},
		{Code: Facts, Severity: High, Effect: NotInForce, Pass: Failed,
			Means: "the interfaces cannot be read",
			Fix:   "read the message"},
		{Code: Backend, Severity: High, Effect: NotInForce, Pass: Failed,
			Means: "there is no iptables to write with",
			Fix:   "install iptables; see firewall.backend"},
		{Code: Apply, Severity: High, Effect: NotInForce, Pass: Failed,
			Means: "the kernel refused the rules; the previous rules are in force",
			Fix:   "read the message: it names the line and quotes the tool"},
		{Code: Frames, Severity: High, Effect: NotInForce, Pass: Failed,
			Means: "the table of the bridges cannot be written; the rules are in force",
			Fix:   "read the message: it quotes the kernel"},
		{Code: ContestedRules, Severity: High, Effect: NotInForce, Pass: Contested, After: time.Second,
			Means: "another program has changed the rules each time dockwall wrote them; dockwall tries again",
			Fix:   "the log names the program: stop it, or configure it to leave DOCKER-USER, FORWARD, INPUT and OUTPUT alone"},
		{Code: Pending, Severity: Medium, Effect: NotInForce, After: time.Second,
			Means: "a newer file, or an event of Docker, is not in force yet; the previous rules are",
			Fix:   "the message names the program that dockwall waits for; if it is iptables-legacy-restore, fuser -v /run/xtables.lock names the one that holds the lock"},
		{Code: Isolation, Severity: High, Effect: NotInForce,
			Means: "isolation between containers of one network is not in force: bridged traffic is not shown to the rules",
			Fix:   "load the kernel's module br_netfilter; the message says what the kernel refused"},
		{Code: Unattributed, Severity: High, Effect: NotInForce,
			Means: "a container runs on the host's network, and agentd cannot find out whether the container or the host listens on a port; the port is open unless a published block names the container and the port",
			Fix:   "boot with cgroup v2, or name the container and its ports in a published block; or give dockwall.service every capability (CapabilityBoundingSet=~ in a drop-in)"},
		{Code: Spoofing, Severity: High, Effect: NotInForce,
			Means: "spoofing = \"deny\" is not in force, because this kernel takes no table of bridges; or, without agentd, it holds for the containers of that moment alone",
			Fix:   "use a kernel with nf_tables for bridges (CONFIG_NF_TABLES_BRIDGE), or start containers with --cap-drop NET_RAW and --cap-drop NET_ADMIN; run agentd"},
		{Code: Family, Severity: High, Effect: NotInForce,
			Means: "one family of addresses, IPv4 or IPv6, is not enforced, because its tools are missing or fail; the other one is",
			Fix:   "install or repair iptables and ip6tables, which belong to one package; or, where IPv6 is not used, set the sysctl net.ipv6.conf.all.disable_ipv6 to 1"},
	}
}

func warnings() []Kind {
	return []Kind{
		{Code: NotCovered, Severity: Medium, Effect: Warns,
			Means: "traffic of a container or a network never meets the host's rules, or a block names a sender that it cannot restrict",
			Fix:   "the message says why; put the container on a bridge network if a policy has to hold for it"},
		{Code: DockerNFTables, Severity: Low, Effect: Warns,
			Means: "Docker keeps its own firewall in nftables and has no DOCKER-USER chain; dockwall makes the chain, and its rules are in force",
			Fix:   "nothing"},
		{Code: ForwardDrop, Severity: Medium, Effect: Warns,
			Means: "Docker keeps its firewall in nftables, and iptables' FORWARD chain still has the policy DROP, perhaps from the time when Docker used iptables: published ports time out",
			Fix:   "iptables -P FORWARD ACCEPT and ip6tables -P FORWARD ACCEPT, or accept in FORWARD what the host is to forward"},
		{Code: SharesNetwork, Severity: Low, Effect: Warns,
			Means: "a selector names a container that uses another container's network; the other one's policies hold for both",
			Fix:   "name the container whose network it is"},
		{Code: SelectorMatchesNone, Severity: Low, Effect: Warns,
			Means: "a containers block matches no container now",
			Fix:   "correct its attributes; if the container starts later, nothing"},
		{Code: NICMissing, Severity: Medium, Effect: Warns,
			Means: "an interfaces block names an interface that this host does not have now",
			Fix:   "correct the name; ip -br link lists the interfaces"},
		{Code: NICIsPort, Severity: Medium, Effect: Warns,
			Means: "an interfaces block names an interface that is a port of a bridge or bond, and never matches its packets: they come in by the master",
			Fix:   "name the master, which the message says"},
		{Code: NetworkMissing, Severity: Low, Effect: Warns,
			Means: "a network block names a network that Docker does not have now",
			Fix:   "correct the name; docker network ls lists the networks"},
		{Code: ClosedByDocker, Severity: Low, Effect: Warns,
			Means: "dockwall lets packets pass that are routed straight to containers, but Docker 28 and later drops them",
			Fix:   "create the network with gateway mode nat-unprotected or routed, or start dockerd with --allow-direct-routing"},
		{Code: NoCommonNetwork, Severity: Low, Effect: Warns,
			Means: "the two sides of a between block share no network, so that it allows published ports alone",
			Fix:   "connect the containers to one network"},
		{Code: UnmatchableInterface, Severity: Medium, Effect: Warns,
			Means: "no rule can name an interface of this host exactly; the message says how its packets are judged",
			Fix:   "rename the interface"},
		{Code: NoIPSet, Severity: Low, Effect: Warns,
			Means: "ipset is missing, so each address is a rule of its own, which is slow for long lists",
			Fix:   `install ipset and restart dockwall, or write sets = "inline"`},
		{Code: NotReported, Severity: Medium, Effect: Warns,
			Means: "denied packets are dropped, but not reported, and agentctl denied does not show them",
			Fix:   "load the kernel's modules xt_NFLOG and nfnetlink_log and reload dockwall, or write log_denied = false"},
		{Code: NoFrames, Severity: Medium, Effect: Warns,
			Means: "this kernel does not take dockwall's table of bridges; the message says what that leaves open",
			Fix:   "use a kernel with nf_tables for bridges (CONFIG_NF_TABLES_BRIDGE), or start containers with --cap-drop NET_RAW"},
		{Code: Quarantined, Severity: Medium, Effect: Warns,
			Means: "a quarantine block closes a container, because a check of the audit fails on it",
			Fix:   "start the container without what the check names; or agentctl release NAME, or name it in except"},
		{Code: SavedRules, Severity: Medium, Effect: Warns,
			Means: "a file from which the host loads its own rules at boot holds rules of dockwall's; it may not be loaded then, the host's own rules included",
			Fix:   "save the file again without dockwall's rules, as the message says"},
		{Code: NoLatch, Severity: Medium, Effect: Warns,
			Means: "if another program flushes every table, published ports are open until the rules are restored",
			Fix:   "use Linux 5.12 or later with nf_tables and the module xt_CLASSIFY"},
		{Code: NoTLS, Severity: Medium, Effect: Warns,
			Means: "docker_api has require_tls, and a port of Docker's API is not proven to ask for a client's certificate; it is closed to every client except this host",
			Fix:   "agentctl tls verify says what the port answers; start dockerd with --tlsverify (agentctl tls server)"},
		{Code: APIOpen, Severity: Medium, Effect: Warns,
			Means: "clients that docker_api allows need no certificate to reach Docker's API, and a client that reaches it is root on this host",
			Fix:   "start dockerd with --tlsverify and write require_tls = true in docker_api"},
		{Code: APIPlain, Severity: Medium, Effect: Warns,
			Means: "dockerd answers on a TCP port without TLS; docker_api does not open the port, but every process of this host is root there",
			Fix:   "remove dockerd's -H tcp option, or start dockerd with --tlsverify"},
		{Code: TLSExpiry, Severity: Medium, Effect: Warns,
			Means: "the certificate of Docker's API ends within 30 days, or has ended; with require_tls the port is closed from then on",
			Fix:   "agentctl tls renew, then restart docker"},
		{Code: TLSName, Severity: Low, Effect: Warns,
			Means: "the certificate of Docker's API is not valid for an address of this host; clients that dial the address refuse it",
			Fix:   "agentctl tls server --force, then restart docker"},
		{Code: TLSWeakKey, Severity: Medium, Effect: Warns,
			Means: "the key or the signature of the certificate of Docker's API is weak",
			Fix:   "agentctl tls server --force makes a new key; then restart docker"},
	}
}

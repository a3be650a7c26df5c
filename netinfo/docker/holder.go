package docker

import (
	"encoding/hex"
	"strings"
)

// ingress is the key under which swarm's ingress network is listed.
const ingress = "ingress-sbox"

// holderOf says whose an endpoint is that NetworkInspect lists under key with
// this name: the container's ID, or for docker_gwbridge's gateway endpoints of
// a container ("gateway_" and 12 digits of its ID) gatewayKey of it. Empty:
// no container's, such as swarm's gateway_ingress-sbox and load balancers, image
// builds, and endpoints that are joining or leaving ("ep-" and their ID).
func holderOf(key, name string) string {
	if len(key) == 64 && isHex(key) {
		return key
	}
	if id, ok := strings.CutPrefix(name, "gateway_"); ok && len(id) == 12 && isHex(id) {
		return gatewayKey(id)
	}
	return ""
}

// gatewayKey is the holder of a gateway endpoint, of which only the beginning
// of the container's ID is known.
func gatewayKey(id string) string { return "gateway_" + short(id) }

func isHex(s string) bool {
	if len(s)%2 != 0 {
		return false
	}
	_, err := hex.DecodeString(s)
	return err == nil
}

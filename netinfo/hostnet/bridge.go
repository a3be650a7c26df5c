package hostnet

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ErrNoBridgeNetfilter tells that the kernel does not have br_netfilter
// loaded: traffic between two ports of one bridge never meets iptables.
var ErrNoBridgeNetfilter = errors.New("the kernel does not have br_netfilter loaded")

// /proc/sys/net shows the network namespace of the thread that opens it.
const (
	bridgeCall4 = "/proc/sys/net/bridge/bridge-nf-call-iptables"
	bridgeCall6 = "/proc/sys/net/bridge/bridge-nf-call-ip6tables"
)

// BridgeNFCall tells whether bridged IPv4 and IPv6 traffic is shown to
// iptables. The error is ErrNoBridgeNetfilter where br_netfilter is absent.
func BridgeNFCall() (v4, v6 bool, err error) {
	if v4, err = readSwitch(bridgeCall4); err != nil {
		return false, false, err
	}
	if v6, err = readSwitch(bridgeCall6); err != nil {
		return false, false, err
	}
	return v4, v6, nil
}

// SetBridgeNFCall sets what BridgeNFCall reads; only what differs is written.
// The error is ErrNoBridgeNetfilter where br_netfilter is absent, and
// fs.ErrPermission where /proc/sys is read-only to the agent.
func SetBridgeNFCall(v4, v6 bool) error {
	return errors.Join(setSwitch(bridgeCall4, v4), setSwitch(bridgeCall6, v6))
}

func readSwitch(path string) (bool, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("reading %s: %w", path, ErrNoBridgeNetfilter)
	}
	if err != nil {
		return false, fmt.Errorf("reading whether iptables sees bridged traffic: %w", err)
	}
	return !bytes.Equal(bytes.TrimSpace(b), []byte("0")), nil
}

func setSwitch(path string, on bool) error {
	is, err := readSwitch(path)
	if err != nil || is == on {
		return err
	}
	value := "0"
	if on {
		value = "1"
	}
	// Not WriteFile: its O_CREATE and O_TRUNC mean nothing here.
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("setting whether iptables sees bridged traffic: %w", err)
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

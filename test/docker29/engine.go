package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"time"
)

// version is what the double says it is.
const version = "29.9.3"

// engine is the dockerd behind the double.
type engine struct{ transport *http.Transport }

func newEngine(path string) *engine {
	return &engine{&http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
}

// await returns once the engine answers.
func (e *engine) await(ctx context.Context, limit time.Duration) error {
	for deadline := time.Now().Add(limit); ; {
		err := e.get(ctx, "/_ping", nil)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waiting for dockerd: %w", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// get asks the engine, and reads its answer unless into is nil.
func (e *engine) get(ctx context.Context, path string, into any) error {
	body, err := e.open(ctx, path)
	if err != nil {
		return err
	}
	defer body.Close()
	if into == nil {
		return nil
	}
	return json.NewDecoder(body).Decode(into)
}

func (e *engine) open(ctx context.Context, path string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker"+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := e.transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("%s: %s", path, response.Status)
	}
	return response.Body, nil
}

// events is the engine's stream of what changes its rules.
func (e *engine) events(ctx context.Context) (io.ReadCloser, error) {
	return e.open(ctx, "/events?filters="+url.QueryEscape(`{"type":["network","container"],"event":["create","destroy","connect","disconnect","start","die"]}`))
}

// notify tells of events; several that were not seen yet are one.
func notify(events io.Reader, changed chan<- struct{}) {
	defer close(changed)
	for d := json.NewDecoder(events); ; {
		var event json.RawMessage
		if d.Decode(&event) != nil {
			return
		}
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}

// told are the engine's own words for its version in /version and /info.
var told = regexp.MustCompile(`"(Version|ServerVersion)":"2[0-8]\.[^"]*"`)

// proxy answers as the engine, except for its version.
func (e *engine) proxy() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "docker"})
			r.Out.Host = r.In.Host
		},
		Transport:     e.transport,
		FlushInterval: -1,
		ModifyResponse: func(r *http.Response) error {
			path := r.Request.URL.Path
			if r.StatusCode != http.StatusOK || !versioned.MatchString(path) {
				return nil
			}
			text, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			text = told.ReplaceAll(text, []byte(`"$1":"`+version+`"`))
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
			r.Header.Set("Content-Length", strconv.Itoa(len(text)))
			return nil
		},
	}
}

var versioned = regexp.MustCompile(`^(/v[0-9.]+)?/(version|info)$`)

// listen makes the socket that only root may open.
func listen(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(path, 0o660)
}

// network is a bridge network with what is on it.
type network struct {
	ID         string `json:"Id"`
	Driver     string
	Internal   bool
	Options    map[string]string
	EnableIPv6 bool
	IPAM       struct {
		Config []struct{ Subnet string }
	}
}

// bridge is the name of the network's interface.
func (n network) bridge() string {
	if name := n.Options["com.docker.network.bridge.name"]; name != "" {
		return name
	}
	return "br-" + n.ID[:12]
}

// endpoint is a container's place on a network, of one family.
type endpoint struct {
	addr  netip.Addr
	ports []binding
}

// binding is a port of a container that is published at a host port.
type binding struct {
	protocol        string
	port, published string
	at              netip.Addr
}

// container is what rules are made of.
type container struct {
	NetworkSettings struct {
		Ports    map[string][]struct{ HostIP, HostPort string }
		Networks map[string]struct{ NetworkID, IPAddress, GlobalIPv6Address string }
	}
}

// state asks for all bridge networks and, by network, the endpoints there.
func (e *engine) state(ctx context.Context) ([]network, map[string][]endpoint, error) {
	var all []network
	if err := e.get(ctx, "/networks", &all); err != nil {
		return nil, nil, err
	}
	var running []struct {
		ID string `json:"Id"`
	}
	if err := e.get(ctx, "/containers/json", &running); err != nil {
		return nil, nil, err
	}
	endpoints := map[string][]endpoint{}
	for _, r := range running {
		var c container
		if err := e.get(ctx, "/containers/"+r.ID+"/json", &c); err != nil {
			continue // it is gone by now, and an event says so
		}
		c.place(endpoints)
	}
	var bridges []network
	for _, n := range all {
		if n.Driver == "bridge" {
			bridges = append(bridges, n)
		}
	}
	return bridges, endpoints, nil
}

// place adds the container's endpoints to those of its networks.
func (c container) place(endpoints map[string][]endpoint) {
	for _, at := range c.NetworkSettings.Networks {
		for _, text := range []string{at.IPAddress, at.GlobalIPv6Address} {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				continue
			}
			endpoints[at.NetworkID] = append(endpoints[at.NetworkID], endpoint{addr, c.bindings(addr.Is6())})
		}
	}
}

// bindings are the container's published ports of a family.
func (c container) bindings(v6 bool) []binding {
	var all []binding
	for port, hosts := range c.NetworkSettings.Ports {
		number, protocol, _ := cut(port)
		for _, h := range hosts {
			at, err := netip.ParseAddr(h.HostIP)
			if err == nil && at.Is6() == v6 {
				all = append(all, binding{protocol, number, h.HostPort, at})
			}
		}
	}
	return all
}

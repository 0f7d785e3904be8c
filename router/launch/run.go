package launch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"

	"github.com/scbr/scbr/router"
)

// Run runs routerd until ctx ends, which gives nil, or until something fails. stderr is also written by
// the child, so it must be a file or safe for concurrent use.
func Run(ctx context.Context, c Config, stdout, stderr io.Writer) error {
	binary, err := findEnclaved(c.Enclaved)
	if err != nil {
		return err
	}
	if c.Dev != "" {
		if err := devInit(ctx, binary, c.Dev, stderr); err != nil {
			return stopped(ctx, err)
		}
	}
	http, err := startAdmin(c.Metrics)
	if err != nil {
		return err
	}
	defer http.stop()
	listeners, err := openSockets(&c)
	if err != nil {
		return err
	}
	defer listeners.close()
	key, ranBefore, err := resetKey(c.ResetKey)
	if err != nil {
		return err
	}
	r, err := router.New(router.Config{
		PacketConn: listeners.udp, Listener: listeners.tcp, ResetKey: key, Successor: ranBefore, Metrics: http.registry,
		Start: func(ctx context.Context) (router.Enclave, error) {
			e, err := startEnclave(ctx, binary, &c, stderr)
			if err != nil {
				return nil, err
			}
			return e, nil
		},
		Logger: slog.New(slog.NewTextHandler(stderr, nil)),
	})
	if err != nil {
		return err
	}
	if c.Dev != "" {
		http.showHostView(r)
	}
	return serve(ctx, r, http, func() { announce(stdout, &c, r.Addr(), listeners.tcp, http.listener.Addr()) })
}

// stopped: an error after the order to stop is none.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func serve(ctx context.Context, r *router.Router, http *admin, announce func()) error {
	served := make(chan error, 1)
	go func() { served <- r.Serve(ctx) }()
	var err error
	select {
	case <-r.Ready():
		http.router.Store(r)
		announce()
		err = <-served
	case err = <-served:
	}
	http.router.Store(nil)
	var failed *router.Error
	if errors.As(err, &failed) && failed.Op == "start" {
		return failed.Err // the cause says which process
	}
	return err
}

// announce writes the ready line, and for a development directory the commands a client needs.
func announce(w io.Writer, c *Config, listen net.Addr, tcp net.Listener, metrics net.Addr) {
	listenTCP := tcpOff
	if tcp != nil {
		listenTCP = tcp.Addr().String()
	}
	if c.ReadyJSON {
		line, _ := json.Marshal(struct { // strings cannot fail
			Listen    string `json:"listen"`
			Metrics   string `json:"metrics"`
			ListenTCP string `json:"listen_tcp"`
		}{listen.String(), metrics.String(), listenTCP})
		_, _ = fmt.Fprintf(w, "%s\n", line)
	} else {
		_, _ = fmt.Fprintf(w, "ready listen=%s metrics=%s listen_tcp=%s\n", listen, metrics, listenTCP)
	}
	if c.Dev == "" {
		return
	}
	dir, addr := quote(c.Dev), reachable(listen)
	_, _ = fmt.Fprintf(w, "scbr sub --dir %s --addr %s --where \"symbol = 'HAL'\"\n", dir, addr)
	_, _ = fmt.Fprintf(w, "scbr pub --dir %s --addr %s --attr symbol=HAL --attr price=50.2 --payload hello\n", dir, addr)
}

// reachable is the address for a client on this machine.
func reachable(a net.Addr) string {
	udp, ok := a.(*net.UDPAddr)
	if !ok || len(udp.IP) > 0 && !udp.IP.IsUnspecified() {
		return a.String()
	}
	return net.JoinHostPort("127.0.0.1", fmt.Sprint(udp.Port))
}

// quote makes s one word of a shell.
func quote(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+,:=@"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

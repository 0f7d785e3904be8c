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

// Control is what reaches a running routerd from outside besides the end of its context.
type Control struct {
	// Reload gives the configuration anew whenever something is received on C; nil C: never.
	C      <-chan struct{}
	Reload func() (Config, error)
}

// daemon is a routerd with everything open.
type daemon struct {
	cfg       Config
	log       *slog.Logger
	level     *slog.LevelVar
	http      *admin
	listeners *sockets
	router    *router.Router
	notify    notifier
}

// Run runs routerd until ctx ends, which gives nil after an orderly end, or until something fails. stderr is also written by
// the child, so it must be a file or safe for concurrent use.
func Run(ctx context.Context, c Config, ctl Control, stdout, stderr io.Writer) error {
	binary, err := findEnclaved(c.Enclaved)
	if err != nil {
		return err
	}
	if c.devRouter() {
		if err := devInit(ctx, binary, c.Dev, stderr); err != nil {
			return stopped(ctx, err)
		}
	}
	d := &daemon{cfg: c, level: &slog.LevelVar{}, notify: notifierFromEnv()}
	d.log = newLogger(&c, stderr, d.level)
	if d.http, err = startAdmin(c.Metrics); err != nil {
		return err
	}
	defer d.http.stop()
	if d.listeners, err = openSockets(&c); err != nil {
		return err
	}
	defer d.listeners.close()
	if err := d.prepare(binary, stderr); err != nil {
		return err
	}
	endWatch, err := d.watchDocuments(ctx)
	if err != nil {
		return err
	}
	defer endWatch()
	return d.serve(ctx, ctl, func() { d.announce(stdout) })
}

// prepare makes the router.
func (d *daemon) prepare(binary string, stderr io.Writer) error {
	key, ranBefore, err := resetKey(d.cfg.ResetKey)
	if err != nil {
		return err
	}
	limits, _ := d.cfg.limits() // Parse has refused what is wrong
	d.router, err = router.New(router.Config{
		PacketConn: d.listeners.udp, Listener: d.listeners.tcp, ResetKey: key, Successor: ranBefore, Metrics: d.http.registry,
		Start: func(ctx context.Context) (router.Enclave, error) {
			e, err := startEnclave(ctx, binary, &d.cfg, stderr)
			if err != nil {
				return nil, err
			}
			return e, nil
		},
		Limits: limits, Logger: d.log,
	})
	if err != nil {
		return err
	}
	if d.cfg.devRouter() {
		d.http.showHostView(d.router)
	}
	return nil
}

// stopped: an error after the order to stop is none.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (d *daemon) serve(ctx context.Context, ctl Control, announce func()) error {
	served := make(chan error, 1)
	go func() { served <- d.router.Serve(ctx) }()
	ready, stopping := d.router.Ready(), ctx.Done()
	for {
		select {
		case <-ready:
			ready = nil
			d.http.router.Store(d.router)
			d.warnOfBuffer()
			d.log.Info("ready", "listen", d.router.Addr().String())
			d.notify.say("READY=1")
			announce()
		case <-stopping:
			stopping = nil
			d.log.Info("stopping: nothing new is taken")
			d.notify.say("STOPPING=1")
		case <-ctl.C:
			d.reload(ctl.Reload)
		case err := <-served:
			d.http.router.Store(nil)
			var failed *router.Error
			if errors.As(err, &failed) && failed.Op == "start" {
				return failed.Err // the cause says which process
			}
			return err
		}
	}
}

// announce writes the ready line, and for a development directory the commands a client needs.
func (d *daemon) announce(w io.Writer) {
	listen, metrics, tcp := d.router.Addr(), d.http.listener.Addr().String(), tcpOff
	if d.listeners.tcp != nil {
		tcp = d.listeners.tcp.Addr().String()
	}
	if d.cfg.ReadyJSON {
		line, _ := json.Marshal(struct { // strings cannot fail
			Listen    string `json:"listen"`
			Metrics   string `json:"metrics"`
			ListenTCP string `json:"listen_tcp"`
		}{listen.String(), metrics, tcp})
		_, _ = fmt.Fprintf(w, "%s\n", line)
	} else {
		_, _ = fmt.Fprintf(w, "ready listen=%s metrics=%s listen_tcp=%s\n", listen, metrics, tcp)
	}
	if !d.cfg.devRouter() {
		return
	}
	dir, addr := quote(d.cfg.Dev), reachable(listen)
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

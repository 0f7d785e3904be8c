// Package launch is what routerd does besides routing: it reads the flags, starts enclaved as its child and hands over the link,
// serves metrics and health over HTTP, and says where the router listens.
//
// It runs on the untrusted host and is trusted by nobody. It promises that enclaved does not outlive it, that the link's
// socket is reachable for the same user only and gone once connected, and that a fault is reported with its cause. It does not restart
// enclaved.
package launch

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	// DevRouter is the router name of a development directory.
	DevRouter = "dev"

	defaultListen  = "127.0.0.1:7443"
	defaultMetrics = "127.0.0.1:7480"

	// tcpOff is the value of --listen-tcp that opens no such listener.
	tcpOff = "off"
)

// Config is routerd's configuration.
type Config struct {
	Dev       string // development directory; replaces Domain, Platform and Router
	Domain    string // domain file
	Platform  string // directory of the platform's keys
	Router    string // name of this router
	Listen    string // UDP host:port for clients
	ListenTCP string // TCP host:port for clients whose network lets no UDP through; empty: as Listen; "off"
	Metrics   string // TCP host:port for /metrics, /livez, /readyz
	Enclaved  string // path of the enclaved binary; empty: beside routerd, then PATH
	ResetKey  string // file with the key of stateless resets; made when it is not there. Empty: none
	EPCBudget string // passed to enclaved when not empty
	Sandbox   string // passed to enclaved when not empty
	ReadyJSON bool   // the first line on stdout is JSON
}

// UsageError lists everything that is wrong with the command line.
type UsageError struct{ Faults []string }

// Error has one fault a line.
func (e *UsageError) Error() string { return strings.Join(e.Faults, "\n") }

// Parse reads the command line. The error is flag.ErrHelp, after the help went to help, or a *UsageError.
func Parse(args []string, help io.Writer) (Config, error) {
	var c Config
	fs := flag.NewFlagSet("routerd", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&c.Dev, "dev", "", "`DIR` to keep everything a trial needs; made by enclaved when it is not there")
	fs.StringVar(&c.Domain, "domain", "", "domain `FILE`")
	fs.StringVar(&c.Platform, "platform", "", "`DIR` with the platform's keys")
	fs.StringVar(&c.Router, "router", "", "`NAME` of this router")
	fs.StringVar(&c.Listen, "listen", defaultListen, "UDP `HOST:PORT` for clients")
	fs.StringVar(&c.ListenTCP, "listen-tcp", "", "TCP `HOST:PORT` for clients whose network lets no UDP through, or off (default: that of --listen)")
	fs.StringVar(&c.Metrics, "metrics", defaultMetrics, "TCP `HOST:PORT` for /metrics, /livez and /readyz")
	fs.StringVar(&c.Enclaved, "enclaved", "", "`PATH` of enclaved (default: beside routerd, then PATH)")
	fs.StringVar(&c.ResetKey, "reset-key", "", "`FILE` with a random key by which clients of a killed router learn of the next one at once; made when it is not there (--dev: in DIR)")
	fs.StringVar(&c.EPCBudget, "epc-budget", "", "`SIZE` of the enclave's subscription store: bytes, or a number with KiB, MiB or GiB (default: enclaved's)")
	fs.StringVar(&c.Sandbox, "sandbox", "", "sandbox `MODE` of enclaved: strict, or best-effort on systems without landlock and seccomp (default strict)")
	fs.BoolVar(&c.ReadyJSON, "ready-json", false, "write the ready line as JSON")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			_, _ = fmt.Fprintln(help, "usage: routerd --dev DIR | --domain FILE --platform DIR --router NAME  [flags]")
			fs.SetOutput(help)
			fs.PrintDefaults()
			return Config{}, flag.ErrHelp
		}
		return Config{}, &UsageError{Faults: []string{err.Error()}}
	}
	if faults := c.faults(fs.Args()); len(faults) > 0 {
		return Config{}, &UsageError{Faults: faults}
	}
	if c.Dev != "" {
		c.Domain, c.Platform, c.Router = filepath.Join(c.Dev, "domain.json"), filepath.Join(c.Dev, "platform"), DevRouter
		if c.ResetKey == "" {
			c.ResetKey = filepath.Join(c.Dev, "reset.key")
		}
	}
	return c, nil
}

// faults lists everything that is wrong at once.
func (c *Config) faults(rest []string) []string {
	var faults []string
	for _, arg := range rest {
		faults = append(faults, fmt.Sprintf("unexpected argument %q", arg))
	}
	named := []struct{ flag, value string }{{"--domain", c.Domain}, {"--platform", c.Platform}, {"--router", c.Router}}
	for _, n := range named {
		switch {
		case c.Dev != "" && n.value != "":
			faults = append(faults, n.flag+" cannot be combined with --dev")
		case c.Dev == "" && n.value == "":
			faults = append(faults, n.flag+" is missing (or use --dev DIR)")
		}
	}
	for _, a := range []struct{ flag, value string }{{"--listen", c.Listen}, {"--metrics", c.Metrics}} {
		if _, _, err := net.SplitHostPort(a.value); err != nil {
			faults = append(faults, fmt.Sprintf("%s %q is not HOST:PORT", a.flag, a.value))
		}
	}
	if _, _, err := net.SplitHostPort(c.ListenTCP); err != nil && c.ListenTCP != "" && c.ListenTCP != tcpOff {
		faults = append(faults, fmt.Sprintf("--listen-tcp %q is neither HOST:PORT nor off", c.ListenTCP))
	}
	if c.EPCBudget != "" && !isSize(c.EPCBudget) {
		faults = append(faults, fmt.Sprintf("--epc-budget %q is not a size such as 93MiB", c.EPCBudget))
	}
	if c.Sandbox != "" && c.Sandbox != "strict" && c.Sandbox != "best-effort" {
		faults = append(faults, fmt.Sprintf("--sandbox %q is neither strict nor best-effort", c.Sandbox))
	}
	return faults
}

// isSize says whether s has the form of a size; enclaved knows the bounds.
func isSize(s string) bool {
	for _, unit := range []string{"KiB", "MiB", "GiB"} {
		if rest, ok := strings.CutSuffix(s, unit); ok {
			s = rest
			break
		}
	}
	_, err := strconv.ParseUint(s, 10, 63)
	return err == nil
}

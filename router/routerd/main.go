// Command routerd is the untrusted host daemon of SCBR: it starts enclaved, listens for clients over QUIC and TLS, and routes what
// it cannot read. SIGHUP reads the configuration anew, SIGTERM and SIGINT end it in order, a second one at once. It exits with 0 after an
// orderly end, 1 when something failed, 2 for a wrong configuration.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/scbr/scbr/router/launch"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run()) }

func run() int {
	parse := func() (launch.Config, error) { return launch.Parse(os.Args[1:], os.Stdout) }
	cfg, err := parse()
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintln(os.Stderr, "routerd:", strings.TrimSuffix(line, "\n"))
		}
		fmt.Fprintln(os.Stderr, "routerd: --help lists the flags")
		return exitUsage
	}
	if cfg.Check {
		if err := cfg.Write(os.Stdout); err != nil {
			return exitFailed
		}
		return 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	if err := launch.Run(ctx, cfg, launch.Control{C: hangups(ctx), Reload: parse}, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "routerd:", err)
		return exitFailed
	}
	return 0
}

// hangups is SIGHUP as a channel; several that come together are one.
func hangups(ctx context.Context) <-chan struct{} {
	signals, out := make(chan os.Signal, 1), make(chan struct{}, 1)
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		defer signal.Stop(signals)
		for {
			select {
			case <-signals:
			case <-ctx.Done():
				return
			}
			select {
			case out <- struct{}{}:
			default:
			}
		}
	}()
	return out
}

// Command routerd is the untrusted host daemon of SCBR: it starts enclaved, listens for clients over QUIC and routes what
// it cannot read. It exits with 0 after SIGTERM or SIGINT, 1 when something failed, 2 for a wrong command line.
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
	cfg, err := launch.Parse(os.Args[1:], os.Stdout)
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
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	if err := launch.Run(ctx, cfg, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "routerd:", err)
		return exitFailed
	}
	return 0
}

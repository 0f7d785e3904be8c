// Command scbr is the command line of SCBR; package cli is all of it but signals
// and the exit code.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/scbr/scbr/client/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := cli.Run(ctx, os.Args[1:], cli.IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}

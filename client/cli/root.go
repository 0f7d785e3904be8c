// Package cli is the command line of SCBR: everything the scbr program does except
// signals and the process exit code.
//
// Its input is its user's and is checked only to help; what comes from a router is
// checked by package client. Flags, JSON keys and exit codes are contracts: they
// are added, never renamed. Every error says what to do next, and none shows a key.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/client/offline"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/quote"
)

// Exit codes of scbr.
const (
	ExitOK      = 0
	ExitFailure = 1
	ExitUsage   = 2 // usage or bad input
	ExitRefused = 3 // the evidence of the enclave was refused
	ExitDenied  = 4 // not authorised
)

const exitCodes = `Exit codes of scbr:

  0  done
  1  failure: no connection, session lost, publication not acknowledged, a file
     to be written that exists already; the answer no of covers and explain
  2  usage or bad input: unknown flag, filter or attribute that does not parse,
     malformed file, path that cannot be read or written
  3  evidence refused: the enclave is not the one your policy and domain name; or
     a proof that does not hold
  4  not authorised: the grant is expired, revoked, not signed by the domain, or
     does not cover what was asked
`

// IO is what a command talks to.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
}

// usageError is bad input: exit code 2. next says what to do about it, where the
// error itself does not.
type usageError struct {
	err  error
	next string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// seeHelp begins the line of a usage error that says where help is.
const seeHelp = "\nsee: "

func usagef(format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...)}
}

// badPath is a path of the user's that cannot be read or written.
func badPath(err error, next string) error { return &usageError{err: err, next: next} }

// exiter is an error that names its exit code itself.
type exiter interface {
	error
	ExitCode() int
}

// Run executes one command line, without the program's name, and returns the exit
// code. It ends early, and well, when ctx does.
func Run(ctx context.Context, args []string, std IO) int {
	root := command()
	root.SetArgs(args)
	root.SetIn(std.In)
	root.SetOut(std.Out)
	root.SetErr(std.Err)
	ran := false
	noteRuns(root, &ran)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	if !ran {
		err = &usageError{err: err} // cobra's own checks of the command line
	}
	if offline.IsNo(err) {
		return exitCode(err)
	}
	fmt.Fprintln(std.Err, message(err)) //nolint:errcheck // nowhere else to tell
	if next := advice(err); next != "" {
		fmt.Fprintln(std.Err, "scbr: "+next) //nolint:errcheck // as above
	}
	return exitCode(err)
}

// noteRuns has every command of the tree say that it was reached.
func noteRuns(cmd *cobra.Command, ran *bool) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*ran = true
			return run(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		noteRuns(sub, ran)
	}
}

// command makes the whole tree anew: no command keeps state between runs.
func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "scbr",
		Short: "Secure content-based publish/subscribe",
		Long: `scbr publishes events and subscribes to them by content, through a router that
sees only ciphertext. Before anything is sent, the enclave that does the matching
is verified against your policy and your domain.`,
		Example: `  # in one terminal: a development router
  routerd --dev dev
  # in another: subscribe, then publish from a third
  scbr sub --dir dev --where "symbol = 'HAL' AND price < 50.5"
  scbr pub --dir dev --attr symbol=HAL --attr price=49.5 --payload 'buy'`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w"+seeHelp+"%s --help", err, cmd.CommandPath())
	})
	root.AddCommand(domainCommand(), policyCommand(), grantCommand(), revokeCommand(), groupCommand(), proofCommand(), quoteCommand(), attestCommand(), pubCommand(), subCommand(), statusCommand())
	root.AddCommand(offline.Commands()...)
	root.AddCommand(&cobra.Command{Use: "exit-codes", Short: "Exit codes of scbr", Long: exitCodes})
	return root
}

// noArgs refuses arguments and says where to look.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q"+seeHelp+"%s --help", args[0], cmd.CommandPath())
	}
	return nil
}

func exitCode(err error) int {
	if e, ok := errors.AsType[exiter](err); ok {
		return e.ExitCode()
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return ExitUsage
	}
	e, ok := errors.AsType[*client.Error](err)
	if !ok {
		return ExitFailure
	}
	switch e.Kind {
	case client.KindConfig, client.KindTooLarge, client.Kind(keyx.KindBadFilter), client.Kind(keyx.KindBadEvent), client.Kind(keyx.KindBadList):
		return ExitUsage
	case client.Kind(keyx.KindEvidenceRefused), client.Kind(keyx.KindConfigMismatch),
		client.Kind(keyx.KindBindMismatch), client.Kind(keyx.KindDowngrade), client.Kind(keyx.KindNotEndorsed):
		return ExitRefused
	case client.Kind(keyx.KindNotAuthorized), client.Kind(keyx.KindNotCovered), client.Kind(keyx.KindBadGrant),
		client.Kind(keyx.KindGrantExpired), client.Kind(keyx.KindBadProof), client.Kind(keyx.KindGrantRevoked),
		client.Kind(keyx.KindTooFast), client.Kind(keyx.KindHeaderTooLarge):
		return ExitDenied
	default:
		return ExitFailure
	}
}

// message is what is printed of err: the program's name first, once, except that
// file:line stands first where a line is at fault, as editors expect it.
func message(err error) string {
	if _, ok := errors.AsType[*offline.LineError](err); ok {
		return err.Error()
	}
	const name = "scbr: "
	return name + strings.TrimPrefix(inOneLine(plainly(err)), name)
}

// plainly is err without the layers that would only say again that evidence was refused.
func plainly(err error) string {
	refusal, ok := errors.AsType[*quote.Refusal](err)
	e, kind := errors.AsType[*client.Error](err)
	if ok && kind && e.Kind == client.Kind(keyx.KindEvidenceRefused) {
		return refusal.Error()
	}
	return err.Error()
}

// inOneLine is the text of an error that may be several: one line, but for what
// stands below it, where a filter is wrong (indented) or where help is.
func inOneLine(text string) string {
	var b strings.Builder
	for i, line := range strings.Split(text, "\n") {
		switch {
		case i == 0:
		case strings.HasPrefix(line, " ") || strings.HasPrefix(line, seeHelp[1:]):
			b.WriteByte('\n')
		default:
			b.WriteString("; ")
		}
		b.WriteString(line)
	}
	return b.String()
}

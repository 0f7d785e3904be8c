// Command enclaved is the trusted matcher process. routerd starts it; an operator
// runs only `enclaved dev-init`. Its flags and exit codes are in --help.
//
// It starts itself again before it does anything: with an empty environment, and
// (on Linux) from a copy of its own file that nobody may read, so that the kernel
// closes its memory to other processes of the same user before the first
// instruction. A descriptor of the memory outlives every later lock, so closing it
// in the program alone would leave the time between the start of the program and
// its first statement. What can be opened is the first run, which ends before
// anything secret is read. If such a copy cannot be made, that time remains, and
// --sandbox strict refuses to run. No secret is read in either run before the
// first statement of main, which closes the memory and forbids core dumps, nor
// before every thread was found free of a debugger.
//
// Whoever could write into the first run, or was attached to it and hides that,
// has started another program. Against that and against root only hardware helps.
package main

import (
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/scbr/scbr/enclave/daemon"
	"github.com/scbr/scbr/enclave/devinit"
	"github.com/scbr/scbr/enclave/epc/pager"
	"github.com/scbr/scbr/enclave/sandbox"
)

// Exit codes.
const (
	exitOK      = 0              // done, or the host ended the connection
	exitBroken  = 1              // a broken invariant, or bytes from the host that are no frames
	exitUsage   = 2              // arguments; also the Go runtime's own when it dies, without a word
	exitConfig  = 3              // configuration or evidence cannot be read or made
	exitDial    = 4              // the host's socket does not answer
	exitSandbox = 5              // the sandbox cannot be enforced
	exitDevInit = 6              // the directory was refused or not made
	exitPanic   = 7              // an internal fault; nothing about it is printed
	exitTraced  = 8              // a debugger is attached
	exitMemory  = 9              // the memory of the store failed: what was kept outside was changed there
	exitPager   = pager.ExitLost // the pager of a simulated EPC, or the process it serves, is gone
	exitSealed  = 11             // a page outside a simulated EPC was changed, or is not the latest
)

// gcPercent is half of what is usual: the heap lies in protected memory as well, and
// what is allocated for each message is little.
const gcPercent = 50

// name is what the process is called, also after it has started again.
const name = "enclaved"

const help = `enclaved is the trusted matcher process of SCBR.

  enclaved run --socket PATH --domain FILE --platform PLATFORM --router NAME
               [--epc-budget 93MiB] [--epc-overflow refuse|spill] [--key-epoch 24h]
               [--sandbox strict|best-effort]
               [--epc-sim 93MiB] [--epc-policy fifo|clock]
      Dial the host's unix socket and serve it. Started by routerd. PLATFORM is
      auto (the hardware that makes reports here), ego, gramine or tsm (TDX and
      SEV-SNP), or the directory of a simulated platform. Subscriptions beyond the
      budget are refused, or with spill what is not in use is kept outside it, sealed.
      With --epc-sim the store lies in a simulated EPC of that size, whose pager is
      at descriptor 3.
  enclaved epc-pager --epc-sim 93MiB [--epc-policy fifo|clock]
      Serve the pages of the simulated EPC of the enclaved at the other end of
      descriptor 3. Started by routerd.
  enclaved dev-init DIR
      Make what a development setup needs: a simulated platform, a domain, a
      policy that accepts this binary, a client with a grant for everything.

Exit codes: 0 done, or the host hung up; 1 broken invariant or stream;
2 arguments; 3 configuration; 4 socket does not answer; 5 no sandbox;
6 directory refused; 7 internal fault; 8 a debugger is attached; 9 the memory
of the store failed: what was kept outside was changed there;
10 the pager of a simulated EPC is gone; 11 a page outside it was changed.

There is no verbosity: no flag and no variable makes it say more. The
environment is dropped at the start; a Go runtime that dies exits with 2, mute.
`

func main() {
	closed := sandbox.CloseMemory() // first of all: see the package comment
	debug.SetGCPercent(gcPercent)
	runtime.GOMAXPROCS(1) // one loop; a second thread would only take the host's core
	stderr, err := os.Stderr, startAgain()
	if err == nil {
		stderr, err = muteRuntime()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "enclaved:", err)
		os.Exit(exitConfig)
	}
	os.Exit(guarded(os.Args[1:], stderr, closed))
}

// guarded runs a command; a panic ends it without a word about what it was.
func guarded(args []string, stderr io.Writer, closed error) (code int) {
	defer func() {
		if recover() != nil {
			fmt.Fprintln(stderr, "enclaved: internal fault") //nolint:errcheck // nothing left to do
			code = exitPanic
		}
	}()
	return command(args, stderr, closed)
}

func command(args []string, stderr io.Writer, closed error) int {
	say := func(code int, format string, v ...any) int {
		_, _ = fmt.Fprintf(stderr, format, v...)
		return code
	}
	if len(args) == 0 {
		return say(exitUsage, "%s", help)
	}
	switch args[0] {
	case "run":
		return run(args[1:], stderr, closed, say)
	case "epc-pager":
		return servePager(args[1:], say)
	case "dev-init":
		if len(args) != 2 || args[1] == "" || args[1][0] == '-' {
			return say(exitUsage, "enclaved: usage: enclaved dev-init DIR\n")
		}
		return devInit(args[1], say)
	case "help", "-h", "--help":
		return say(exitOK, "%s", help)
	default:
		return say(exitUsage, "enclaved: unknown command; see enclaved --help\n")
	}
}

type printer func(code int, format string, v ...any) int

func run(args []string, stderr io.Writer, closed error, say printer) int {
	cfg := daemon.Config{Closed: closed}
	cfg.Last, _ = stderr.(*os.File)
	fs := flag.NewFlagSet("run", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&cfg.Socket, "socket", "", "")
	fs.StringVar(&cfg.Domain, "domain", "", "")
	fs.StringVar(&cfg.Platform, "platform", "", "")
	fs.StringVar(&cfg.Router, "router", "", "")
	fs.StringVar(&cfg.Budget, "epc-budget", "", "")
	fs.StringVar(&cfg.Overflow, "epc-overflow", daemon.OverflowRefuse, "")
	fs.DurationVar(&cfg.Epoch, "key-epoch", daemon.DefaultEpoch, "")
	fs.StringVar((*string)(&cfg.Sandbox), "sandbox", string(sandbox.Strict), "")
	pagingFlags(fs, &cfg.Paging)
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return say(exitOK, "%s", help)
	}
	if err == nil && fs.NArg() > 0 {
		err = errors.New("unexpected argument")
	}
	if err == nil {
		err = cfg.Validate()
	}
	if err != nil {
		return say(exitUsage, "enclaved: %v\n", err)
	}
	err = daemon.Run(cfg, slog.New(slog.NewJSONHandler(stderr, nil)), time.Now)
	return ended(err, say)
}

// ended says why a command failed.
func ended(err error, say printer) int {
	var e *daemon.Error
	if !errors.As(err, &e) {
		return exitOK
	}
	codes := map[daemon.Stage]int{
		daemon.StageConfig: exitConfig, daemon.StageDial: exitDial, daemon.StageSandbox: exitSandbox,
		daemon.StageBoot: exitConfig, daemon.StageRun: exitBroken, daemon.StageTraced: exitTraced, daemon.StageMemory: exitMemory,
		daemon.StagePager: exitPager, daemon.StageSealed: exitSealed,
	}
	return say(codes[e.Stage], "enclaved: %v\n", err)
}

func pagingFlags(fs *flag.FlagSet, p *daemon.Paging) {
	fs.StringVar(&p.EPC, "epc-sim", "", "")
	fs.StringVar(&p.Policy, "epc-policy", "", "")
}

func servePager(args []string, say printer) int {
	var p daemon.Paging
	fs := flag.NewFlagSet("epc-pager", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	pagingFlags(fs, &p)
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return say(exitOK, "%s", help)
	}
	if err == nil && (fs.NArg() > 0 || p.EPC == "") {
		err = errors.New("want --epc-sim SIZE and no other argument")
	}
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		return say(exitUsage, "enclaved: epc-pager: %v\n", err)
	}
	return ended(daemon.ServePager(p), say)
}

func devInit(dir string, say printer) int {
	measurement, err := daemon.Measure()
	if err != nil {
		return say(exitDevInit, "enclaved: %v\n", err)
	}
	r, err := devinit.Init(dir, measurement, rand.Reader, time.Now())
	if err != nil {
		return say(exitDevInit, "enclaved: %v\n", err)
	}
	if r.PolicyRefreshed {
		say(0, "enclaved: dev-init: this binary is another one: policy.json now names its measurement\n")
	}
	if r.GrantRenewed {
		say(0, "enclaved: dev-init: the client's grant had expired and was renewed\n")
	}
	return exitOK
}

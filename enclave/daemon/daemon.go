// Package daemon is what `enclaved run` does: read the configuration, dial the
// host, shut itself in, boot a core and run it until the host hangs up.
//
// Who may lie to it: the host chooses arguments, environment, files, socket,
// clock, and whether the sandbox is strict or best effort. What decides who is
// trusted (the domain) goes into the evidence, so that clients see it. The mode of
// the sandbox does not: the evidence is the same with none in force, and only the
// log, which the host writes down, tells. On hardware no sandbox is entered, since
// quotes of later key epochs need files and calls that it forbids; on the simulated
// platform it is the only one.
//
// It promises that the keys that clients talk to (the identity, the sessions) are
// made inside the sandbox, and that what it logs is the same whatever a client
// sends: there is no level, flag or variable that adds to it. The simulated
// platform's attestation key is a file, so it is read before the sandbox closes,
// by a process that is already closed to others of its user and has found no
// debugger attached; it never leaves the process. See command enclaved for the
// time before.
package daemon

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"github.com/scbr/scbr/enclave"
	"github.com/scbr/scbr/enclave/devinit"
	"github.com/scbr/scbr/enclave/epc"
	"github.com/scbr/scbr/enclave/link"
	"github.com/scbr/scbr/enclave/platform"
	"github.com/scbr/scbr/enclave/sandbox"
	"github.com/scbr/scbr/matcher"
)

// What is done with subscriptions that do not fit the budget.
const (
	OverflowRefuse = "refuse" // they are refused
	OverflowSpill  = "spill"  // parts of the store that are not in use are kept outside, sealed
)

const (
	// DefaultBudget is what an SGX1 machine leaves to an enclave, of 128 MiB.
	DefaultBudget = "93MiB"
	// dialTimeout bounds connecting to a socket on the same machine.
	dialTimeout = 10 * time.Second
	// DefaultEpoch is how long a key serves handshakes.
	DefaultEpoch = enclave.DefaultEpochLength
	// minEpoch keeps quotes rare: a hardware platform takes milliseconds to seconds for one.
	minEpoch = time.Minute
)

// Config is what a daemon is told.
type Config struct {
	Socket   string        // the host's unix socket
	Domain   string        // file
	Platform string        // PlatformAuto, a kind of hardware, or the directory of a simulated platform
	Router   string        // name
	Budget   string        // size of the subscription store, such as "93MiB"; empty: see budget
	Overflow string        // what happens beyond it: OverflowRefuse, the default, or OverflowSpill
	Epoch    time.Duration // how long a key serves handshakes; 0: the default
	Sandbox  sandbox.Mode  // Strict unless asked otherwise
	Paging   Paging        // a simulated EPC; zero: none
	Last     *os.File      // gets the last line when the pager of a simulated EPC is gone
	Closed   error         // what sandbox.CloseMemory returned when the program began
}

// Validate lists everything that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	for _, f := range []struct{ name, value string }{
		{"--socket", c.Socket}, {"--domain", c.Domain}, {"--platform", c.Platform}, {"--router", c.Router},
	} {
		if f.value == "" {
			errs = append(errs, fmt.Errorf("%s is missing", f.name))
		}
	}
	if _, err := c.budget(); err != nil {
		errs = append(errs, fmt.Errorf("--epc-budget: %w", err))
	}
	if c.Overflow != "" && c.Overflow != OverflowRefuse && c.Overflow != OverflowSpill {
		errs = append(errs, fmt.Errorf("--epc-overflow: want %s or %s", OverflowRefuse, OverflowSpill))
	}
	if c.Epoch != 0 && c.Epoch < minEpoch {
		errs = append(errs, fmt.Errorf("--key-epoch: want at least %v", minEpoch))
	}
	if err := c.Paging.Validate(); err != nil {
		errs = append(errs, err)
	}
	if c.Paging.EPC != "" && c.Last == nil {
		errs = append(errs, errors.New("--epc-sim: there is nowhere to write to"))
	}
	if _, err := sandbox.ParseMode(string(c.Sandbox)); err != nil {
		errs = append(errs, fmt.Errorf("--sandbox: %w", err))
	}
	return errors.Join(errs...)
}

var errSize = fmt.Errorf("want a size such as %s, from %d to %d bytes", DefaultBudget, int64(epc.MinBudget), int64(epc.MaxBudget))

// ParseSize reads a number of bytes with an optional KiB, MiB or GiB.
func ParseSize(s string) (int64, error) {
	shift := 0
	for i, unit := range []string{"KiB", "MiB", "GiB"} {
		if rest, ok := strings.CutSuffix(s, unit); ok {
			s, shift = rest, 10*(i+1)
			break
		}
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || n > epc.MaxBudget>>shift || n<<shift < epc.MinBudget {
		return 0, errSize
	}
	return int64(n << shift), nil
}

// Stage says how far a daemon came.
type Stage uint8

// The stages, each with an exit code of its own in enclaved.
const (
	StageConfig  Stage = 1 + iota // reading the configuration
	StageDial                     // reaching the host
	StageSandbox                  // shutting itself in
	StageBoot                     // keys and evidence
	StageRun                      // running; the core or the stream failed
	StageTraced                   // a debugger is attached
	StageMemory                   // the memory of the store failed while running
	StagePager                    // the other process of a simulated EPC is gone, or failed
	StageSealed                   // a page outside the simulated EPC was tampered with
)

// Error is the error of this package.
type Error struct {
	Stage Stage
	Err   error
}

// Error describes the failure.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Run runs an enclave until the host ends it or hangs up, which is no error.
func Run(cfg Config, log *slog.Logger, now func() time.Time) error {
	if err := sandbox.Untraced(); err != nil { // before anything secret is read
		return shut(err)
	}
	core, err := prepare(cfg)
	if err != nil {
		return prepared(err)
	}
	conn, err := net.DialTimeout("unix", cfg.Socket, dialTimeout)
	if err != nil {
		return &Error{StageDial, fmt.Errorf("the host's socket does not answer: %w", err)}
	}
	defer conn.Close() //nolint:errcheck // the end of the process
	if err := confine(cfg, core.Platform.Info(), log); err != nil {
		return err
	}
	c, err := enclave.New(core)
	if err != nil {
		return &Error{StageBoot, err}
	}
	info, budget := core.Platform.Info(), core.Memory.(*epc.Arena).Budget()
	log.Info("ready", "platform", info.Kind, "simulated", info.Simulated,
		"measurement", hex.EncodeToString(info.Measurement[:]), "budget_bytes", budget, "overflow", cfg.Overflow)
	if err := serve(conn, c, now); err != nil {
		return err
	}
	log.Info("the host ended the connection")
	return nil
}

// serve runs the core. A part of the store that does not come back from outside as it
// was put there is no internal fault but the host's doing, and says so.
func serve(conn io.ReadWriter, c link.Stepper, now func() time.Time) (err error) {
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case *matcher.Error:
			if fault.Kind != matcher.Damaged {
				panic(fault)
			}
			err = &Error{StageMemory, fault}
		default:
			panic(fault)
		}
	}()
	if err := link.Run(conn, c, now); err != nil {
		return &Error{StageRun, err}
	}
	return nil
}

// confine shuts the process in. Hardware is the wall where there is some: quotes of
// later key epochs need files or calls that a sandbox forbids.
func confine(cfg Config, info platform.Info, log *slog.Logger) error {
	if inside || !info.Simulated {
		log.Info("sandbox none: the enclave or guest is the wall", "platform", info.Kind)
		return nil
	}
	report, err := sandbox.Enter(cfg.Sandbox, cfg.Closed)
	if err != nil {
		return shut(err)
	}
	log.Info("sandbox "+report.String(), "complete", report.Complete())
	return nil
}

// shut words a failure of the sandbox.
func shut(err error) error {
	if errors.Is(err, sandbox.ErrTraced) {
		return &Error{StageTraced, err}
	}
	return &Error{StageSandbox, err}
}

// prepare reads everything that has to be read before the sandbox closes.
func prepare(cfg Config) (enclave.Config, error) {
	var out enclave.Config
	if err := cfg.Validate(); err != nil {
		return out, err
	}
	domain, err := devinit.ReadDomain(cfg.Domain)
	if err != nil {
		return out, fmt.Errorf("domain: %w", err)
	}
	machine, err := openPlatform(cfg.Platform)
	if err != nil {
		return out, fmt.Errorf("platform: %w", err)
	}
	budget, err := cfg.budget()
	if err != nil {
		return out, err
	}
	arena, paging, err := cfg.store(budget, machine.Info().Simulated)
	if err != nil {
		return out, err
	}
	if cfg.Overflow == OverflowSpill {
		if err := arena.KeepOutside(rand.Reader); err != nil {
			return out, fmt.Errorf("--epc-overflow %s: %w", OverflowSpill, err)
		}
	}
	return enclave.Config{
		Domain: domain, Router: cfg.Router, Platform: machine, Memory: arena, Spill: cfg.Overflow == OverflowSpill, Rand: rand.Reader,
		Limits: enclave.Limits{EpochLength: cfg.Epoch}, Paging: paging, Heap: heap,
	}, nil
}

// Measure is the measurement of this program on the simulated platform: the
// SHA-256 of its executable. Nothing but convention makes it true; hardware
// measures by itself.
func Measure() (sum [32]byte, err error) {
	path := "/proc/self/exe" // what runs, also when its name has come to mean another file
	if runtime.GOOS != "linux" {
		if path, err = os.Executable(); err != nil {
			return sum, err
		}
	}
	f, err := os.Open(path) //nolint:gosec // this very program
	if err != nil {
		return sum, err
	}
	defer f.Close() //nolint:errcheck // read only
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, err
	}
	return [32]byte(h.Sum(nil)), nil
}

// budget is the size of the store: as asked for, or else DefaultBudget; or, where it
// spills in a simulated EPC, that EPC: there would be no other reason to spill.
func (c Config) budget() (int64, error) {
	switch {
	case c.Budget != "":
		return ParseSize(c.Budget)
	case c.Paging.EPC != "" && c.Overflow == OverflowSpill:
		return ParseSize(c.Paging.EPC)
	default:
		return ParseSize(DefaultBudget)
	}
}

// heap is what the Go runtime has of the operating system, the store not included.
func heap() int64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return int64(samples[0].Value.Uint64() - samples[1].Value.Uint64())
}

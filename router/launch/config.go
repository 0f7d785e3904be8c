package launch

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/scbr/scbr/router"
)

const (
	// DevRouter is the router name of a development directory.
	DevRouter = "dev"
	// RevocationFile is the name of the revocation list in a development directory.
	RevocationFile = "revocation.json"

	defaultListen  = "127.0.0.1:7443"
	defaultMetrics = "127.0.0.1:7480"

	// tcpOff is the value of --listen-tcp that opens no such listener.
	tcpOff = "off"
)

// Values of --log-format and --log-level.
const (
	logText  = "text"
	logJSON  = "json"
	logInfo  = "info"
	logWarn  = "warn"
	logError = "error"
)

// Config is routerd's configuration: of the command line, and of a file with the same names.
type Config struct {
	File  string `toml:"-"` // the file it was read from; empty: none
	Check bool   `toml:"-"` // print the configuration and end

	Dev          string            `toml:"dev"`           // development directory; replaces Domain, Platform and Router
	Domain       string            `toml:"domain"`        // domain file
	Platform     string            `toml:"platform"`      // passed to enclaved: auto, a kind of hardware, or the directory of a simulated platform
	Router       string            `toml:"router"`        // name of this router
	Listen       string            `toml:"listen"`        // UDP host:port for clients
	ListenTCP    string            `toml:"listen_tcp"`    // TCP host:port for clients whose network lets no UDP through; empty: as Listen; "off"
	Metrics      string            `toml:"metrics"`       // TCP host:port for /metrics, /status, /livez, /readyz
	Enclaved     string            `toml:"enclaved"`      // path of the enclaved binary; empty: beside routerd, then PATH
	ResetKey     string            `toml:"reset_key"`     // file with the key of stateless resets; made when it is not there. Empty: none
	EPCBudget    string            `toml:"epc_budget"`    // passed to enclaved when not empty
	EPCSim       string            `toml:"epc_sim"`       // passed to enclaved, with a pager, when not empty
	EPCPolicy    string            `toml:"epc_policy"`    // passed to both when not empty
	EPCOverflow  string            `toml:"epc_overflow"`  // passed to enclaved when not empty
	Sandbox      string            `toml:"sandbox"`       // passed to enclaved when not empty
	Revocation   string            `toml:"revocation"`    // file with the newest revocation list, looked at each second; empty: none
	Endorsement  string            `toml:"endorsement"`   // file with the newest endorsement, looked at each second; empty: none
	Collateral   string            `toml:"collateral"`    // file with the collateral of this machine, looked at each second; empty: the platform's own
	KeyEpoch     string            `toml:"key_epoch"`     // passed to enclaved when not empty
	ReadyJSON    bool              `toml:"ready_json"`    // the first line on stdout is JSON
	LogFormat    string            `toml:"log_format"`    // text or json
	LogLevel     string            `toml:"log_level"`     // info, warn or error
	SlowConsumer string            `toml:"slow_consumer"` // policy; empty: the default
	DrainTimeout string            `toml:"drain_timeout"` // duration; empty: the default
	Limits       map[string]string `toml:"limits"`        // of router.Limits, by key; what is not there has its default

	revocationMayCome bool // its file need not be there
}

// UsageError lists everything that is wrong with the configuration.
type UsageError struct{ Faults []string }

// Error has one fault a line.
func (e *UsageError) Error() string { return strings.Join(e.Faults, "\n") }

func defaults() Config {
	return Config{Listen: defaultListen, Metrics: defaultMetrics, LogFormat: logText, LogLevel: logInfo}
}

// flags binds the flags to c, whose values are their defaults.
func (c *Config) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("routerd", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&c.File, "config", c.File, "TOML `FILE` with any of these settings, and limits; flags given beside it win")
	fs.BoolVar(&c.Check, "check-config", c.Check, "print the configuration that would be in force, as TOML, and end")
	fs.StringVar(&c.Dev, "dev", c.Dev, "`DIR` to keep everything a trial needs; made by enclaved when it is not there")
	fs.StringVar(&c.Domain, "domain", c.Domain, "domain `FILE`")
	fs.StringVar(&c.Platform, "platform", c.Platform, "`PLATFORM` of the enclave: auto, ego, gramine, tsm, or the directory of a simulated one")
	fs.StringVar(&c.Router, "router", c.Router, "`NAME` of this router")
	fs.StringVar(&c.Listen, "listen", c.Listen, "UDP `HOST:PORT` for clients")
	fs.StringVar(&c.ListenTCP, "listen-tcp", c.ListenTCP, "TCP `HOST:PORT` for clients whose network lets no UDP through, or off (default: that of --listen)")
	fs.StringVar(&c.Metrics, "metrics", c.Metrics, "TCP `HOST:PORT` for /metrics, /status, /livez and /readyz")
	fs.StringVar(&c.Enclaved, "enclaved", c.Enclaved, "`PATH` of enclaved (default: beside routerd, then PATH)")
	fs.StringVar(&c.ResetKey, "reset-key", c.ResetKey, "`FILE` with a random key by which clients of a killed router learn of the next one at once; made when it is not there (--dev: in DIR)")
	fs.StringVar(&c.EPCBudget, "epc-budget", c.EPCBudget, "`SIZE` of the enclave's subscription store: bytes, or a number with KiB, MiB or GiB (default: enclaved's)")
	fs.StringVar(&c.EPCSim, "epc-sim", c.EPCSim, "`SIZE` of a simulated EPC that the enclave's store lies in, for measurements on the simulated platform (default: none)")
	fs.StringVar(&c.EPCPolicy, "epc-policy", c.EPCPolicy, "`POLICY` by which pages leave the simulated EPC: fifo or clock (default fifo)")
	fs.StringVar(&c.EPCOverflow, "epc-overflow", c.EPCOverflow, "`WHAT` happens to subscriptions beyond the budget: refuse, or spill (default: enclaved's)")
	fs.StringVar(&c.Sandbox, "sandbox", c.Sandbox, "sandbox `MODE` of enclaved: strict, or best-effort on systems without landlock and seccomp (default strict)")
	fs.StringVar(&c.Revocation, "revocation", c.Revocation, "`FILE` with the newest revocation list of the domain (scbr revoke), which is looked at each second (--dev: revocation.json in DIR, once it is there)")
	fs.StringVar(&c.Collateral, "collateral", c.Collateral, "`FILE` with the newest collateral of this machine (sgx_ql_qve_collateral_t as JSON, or that of an SEV-SNP key), which is looked at each second")
	fs.StringVar(&c.Endorsement, "endorsement", c.Endorsement, "`FILE` with the newest endorsement of the enclave (scbr domain endorse), which is looked at each second; it need not be there yet")
	fs.StringVar(&c.KeyEpoch, "key-epoch", c.KeyEpoch, "`TIME` that the enclave uses one key for handshakes, such as 24h (default: enclaved's)")
	fs.BoolVar(&c.ReadyJSON, "ready-json", c.ReadyJSON, "write the ready line as JSON")
	fs.StringVar(&c.LogFormat, "log-format", c.LogFormat, "`FORMAT` of the log: text or json")
	fs.StringVar(&c.LogLevel, "log-level", c.LogLevel, "least `LEVEL` that is logged: info, warn or error")
	fs.StringVar(&c.SlowConsumer, "slow-consumer", c.SlowConsumer, "`POLICY` for subscribers that do not keep up: drop-oldest, disconnect or block-publisher (default drop-oldest)")
	fs.StringVar(&c.DrainTimeout, "drain-timeout", c.DrainTimeout, "`TIME` to finish what was taken when routerd is told to end (default 10s)")
	return fs
}

// Parse reads the command line, and the file that it names. The error is flag.ErrHelp, after the help went to help, or a *UsageError.
func Parse(args []string, help io.Writer) (Config, error) {
	c := defaults()
	fs := c.flags()
	var faults []string
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprintln(help, "usage: routerd --dev DIR | --domain FILE --platform DIR --router NAME | --config FILE  [flags]")
		fs.SetOutput(help)
		fs.PrintDefaults()
		return Config{}, flag.ErrHelp
	} else if err != nil {
		return Config{}, &UsageError{Faults: []string{err.Error()}}
	}
	if c.File != "" {
		fromFile := defaults()
		faults = fromFile.load(c.File)
		fs = fromFile.flags() // what the command line says comes on top
		if err := fs.Parse(args); err != nil {
			faults = append(faults, err.Error())
		}
		c = fromFile
	}
	faults = append(faults, c.faults(fs.Args())...)
	if len(faults) > 0 {
		return Config{}, &UsageError{Faults: faults}
	}
	if c.Dev != "" {
		c.Domain, c.Platform, c.Router = filepath.Join(c.Dev, "domain.json"), filepath.Join(c.Dev, "platform"), DevRouter
		if c.ResetKey == "" {
			c.ResetKey = filepath.Join(c.Dev, "reset.key")
		}
		if c.Revocation == "" {
			c.Revocation, c.revocationMayCome = filepath.Join(c.Dev, RevocationFile), true
		}
	}
	return c, nil
}

// faults lists everything that is wrong at once.
func (c *Config) faults(rest []string) []string {
	var faults []string
	bad := func(wrong bool, format string, v ...any) {
		if wrong {
			faults = append(faults, fmt.Sprintf(format, v...))
		}
	}
	for _, arg := range rest {
		bad(true, "unexpected argument %q", arg)
	}
	for _, n := range []struct{ flag, value string }{{"--domain", c.Domain}, {"--platform", c.Platform}, {"--router", c.Router}} {
		bad(c.Dev != "" && n.value != "", "%s cannot be combined with --dev", n.flag)
		bad(c.Dev == "" && n.value == "", "%s is missing (or use --dev DIR)", n.flag)
	}
	for _, a := range []struct{ flag, value string }{{"--listen", c.Listen}, {"--metrics", c.Metrics}} {
		_, _, err := net.SplitHostPort(a.value)
		bad(err != nil, "%s %q is not HOST:PORT", a.flag, a.value)
	}
	_, _, err := net.SplitHostPort(c.ListenTCP)
	bad(err != nil && c.ListenTCP != "" && c.ListenTCP != tcpOff, "--listen-tcp %q is neither HOST:PORT nor off", c.ListenTCP)
	bad(c.EPCBudget != "" && !isSize(c.EPCBudget), "--epc-budget %q is not a size such as 93MiB", c.EPCBudget)
	faults = append(faults, c.epcFaults()...)
	bad(!slices.Contains([]string{"", "strict", "best-effort"}, c.Sandbox), "--sandbox %q is neither strict nor best-effort", c.Sandbox)
	bad(!slices.Contains([]string{logText, logJSON}, c.LogFormat), "--log-format %q is neither text nor json", c.LogFormat)
	bad(!slices.Contains([]string{logInfo, logWarn, logError}, c.LogLevel), "--log-level %q is none of info, warn and error", c.LogLevel)
	_, limitFaults := c.limits()
	return append(faults, limitFaults...)
}

// epcFaults lists what is wrong with the memory of the enclave's store.
func (c *Config) epcFaults() (faults []string) {
	if c.EPCSim != "" && !isSize(c.EPCSim) {
		faults = append(faults, fmt.Sprintf("--epc-sim %q is not a size such as 93MiB", c.EPCSim))
	}
	if !slices.Contains([]string{"", "fifo", "clock"}, c.EPCPolicy) {
		faults = append(faults, fmt.Sprintf("--epc-policy %q is neither fifo nor clock", c.EPCPolicy))
	}
	if c.EPCPolicy != "" && c.EPCSim == "" {
		faults = append(faults, "--epc-policy is for --epc-sim")
	}
	if !slices.Contains([]string{"", "refuse", "spill"}, c.EPCOverflow) {
		faults = append(faults, fmt.Sprintf("--epc-overflow %q is neither refuse nor spill", c.EPCOverflow))
	}
	return faults
}

// isSize says whether s has the form of a size; enclaved knows the bounds.
func isSize(s string) bool {
	_, err := parseSize(s)
	return err == nil
}

// parseSize reads a number of bytes with an optional KiB, MiB or GiB.
func parseSize(s string) (int64, error) {
	shift := 0
	for i, unit := range []string{"KiB", "MiB", "GiB"} {
		if rest, ok := strings.CutSuffix(s, unit); ok {
			s, shift = rest, 10*(i+1)
			break
		}
	}
	n, err := strconv.ParseUint(s, 10, 63-shift)
	return int64(n << shift), err
}

// devRouter says whether this is a development router.
func (c *Config) devRouter() bool { return c.Dev != "" }

// policies are the values of --slow-consumer.
func policies() []router.Policy { return router.Policies() }

package client

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/quote"
)

// Defaults and bounds of Config.
const (
	// DefaultMaxUnacked is the publication window: one round trip of 10 ms at
	// 400,000 publications a second.
	DefaultMaxUnacked = 4096
	// MaxMaxUnacked bounds the window. A publication sent again can be this many
	// counters behind the newest one, and subscribers remember duplicates that
	// far back (see duplicateWindow).
	MaxMaxUnacked = 8192
	// DefaultMaxUnackedBytes bounds the sealed bytes kept until acknowledged.
	DefaultMaxUnackedBytes = 64 << 20
	// DefaultInboxBytes bounds deliveries waiting for Receive; the router keeps as
	// many again by default.
	DefaultInboxBytes = 64 << 20
	// DefaultHeartbeatTimeout is five heartbeats of the enclave (one a second).
	DefaultHeartbeatTimeout = 5 * time.Second
	// DefaultHandshakeTimeout covers two round trips and one quote on a slow TEE.
	DefaultHandshakeTimeout = 10 * time.Second
	// DefaultReconnectMin is the bound of the first pause before a new session: a
	// restarted enclave is back in less, and it is the spread of a storm's first wave.
	DefaultReconnectMin = 100 * time.Millisecond
	// DefaultReconnectMax is the bound of every pause, which are 5 s on average then.
	DefaultReconnectMax = 10 * time.Second
	// DefaultCloseTimeout is how long Close waits for acknowledgements and for the
	// router to have read everything.
	DefaultCloseTimeout = 3 * time.Second
	// maxConfigFile bounds each file LoadDir reads; all of them are a few KiB.
	maxConfigFile = 1 << 20
)

// Names of the files of a client directory, as `enclaved dev-init` writes them.
const (
	DomainFile = "domain.json"
	PolicyFile = "policy.json"
	// RevocationFile is the newest revocation list; it need not be there.
	RevocationFile = "revocation.json"
	DefaultName    = "client" // client.key and client.grant
	DevRouter      = "dev"    // router name of routerd --dev
)

// Config is all a Client needs. Addr, Domain, Policy, Router, Grant and Key are
// required; the zero value of everything else is a default.
type Config struct {
	Addr   string             // router, host:port
	Domain keyx.Domain        // pinned by the caller, never taken from the peer
	Policy quote.Policy       // which evidence is accepted
	Router string             // router name the enclave must have bound
	Grant  []byte             // signed by an authority of Domain
	Key    ed25519.PrivateKey // the grant's key

	// Revocation is the newest revocation list of the domain, as an authority signed it, from a channel the host does not
	// control; nil: none. See Client.UpdateRevocation. A domain that bounds the age of lists requires one.
	Revocation []byte

	// Sign has every publication bear our signature and grant, inside the sealed payload, so that subscribers can show others
	// who published it (Delivery.Proof). It costs an Ed25519 signature and the grant's some 6 KB for each.
	Sign bool
	// RequireSignatures refuses publications that their publisher did not sign.
	RequireSignatures bool

	// Group gives the keys of the client's group; nil: it is in none. With it everything is published under the newest
	// epoch's key, or not at all, and deliveries under an epoch are opened with that epoch's key. Whether deliveries
	// without one are taken is for the grant to say.
	Group GroupKeys

	MaxUnacked       int           // publications in flight; 0: DefaultMaxUnacked
	MaxUnackedBytes  int           // sealed bytes in flight; 0: DefaultMaxUnackedBytes
	InboxBytes       int           // deliveries waiting for Receive; 0: DefaultInboxBytes
	HeartbeatTimeout time.Duration // StalledError after it, end of the session after twice it; 0: DefaultHeartbeatTimeout
	HandshakeTimeout time.Duration // 0: DefaultHandshakeTimeout
	CloseTimeout     time.Duration // 0: DefaultCloseTimeout

	// NoPadding sends and asks for messages of their own length. The host then sees how long attributes, payloads and filters are, and how
	// many subscriptions of ours match. It saves bytes.
	NoPadding bool
	// NoReconnect makes the end of the session the end of the Client.
	NoReconnect bool
	// ReconnectMin and ReconnectMax bound the pauses before new sessions: each is
	// drawn between nothing and a bound that begins with ReconnectMin and doubles up
	// to ReconnectMax. 0: DefaultReconnectMin, DefaultReconnectMax.
	ReconnectMin, ReconnectMax time.Duration

	// PreviousInstance is the enclave instance of the session before this one. If
	// the new session meets another, the first Receive returns a RestartedError.
	PreviousInstance *[16]byte

	Rand io.Reader        // nil: crypto/rand
	Now  func() time.Time // nil: time.Now

	// Network is the way to the router; empty: NetworkAuto.
	Network Network

	// PacketConn, if set, carries the QUIC packets; it stays the caller's to close.
	PacketConn net.PacketConn
	// Transport, if set, replaces QUIC: an ordered, reliable byte stream to the
	// router. Nothing rests on it, so any stream will do. A CloseWrite method, if
	// it has one, is used to end the sending direction.
	Transport func(ctx context.Context, addr string) (io.ReadWriteCloser, error)
}

func (c Config) withDefaults() Config {
	setDefault(&c.MaxUnacked, DefaultMaxUnacked)
	setDefault(&c.MaxUnackedBytes, DefaultMaxUnackedBytes)
	setDefault(&c.InboxBytes, DefaultInboxBytes)
	setDefault(&c.HeartbeatTimeout, DefaultHeartbeatTimeout)
	setDefault(&c.HandshakeTimeout, DefaultHandshakeTimeout)
	setDefault(&c.CloseTimeout, DefaultCloseTimeout)
	setDefault(&c.ReconnectMin, DefaultReconnectMin)
	setDefault(&c.ReconnectMax, max(DefaultReconnectMax, c.ReconnectMin))
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Transport == nil {
		c.Transport = c.dialer()
	}
	return c
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// Validate lists everything that is wrong with c at once.
func (c Config) Validate() error {
	var errs []error
	bad := func(cond bool, text string) {
		if cond {
			errs = append(errs, errors.New(text))
		}
	}
	bad(c.Addr == "" && c.Transport == nil, "Addr is empty")
	bad(c.Domain.Name == "", "Domain is empty: load the domain file of your domain")
	bad(c.Router == "", "Router is empty: name the router you expect")
	bad(len(c.Grant) == 0, "Grant is empty")
	bad(len(c.Key) != ed25519.PrivateKeySize, "Key is not an Ed25519 private key")
	bad(c.MaxUnacked < 0 || c.MaxUnacked > MaxMaxUnacked, fmt.Sprintf("MaxUnacked is not within 1..%d", MaxMaxUnacked))
	bad(c.MaxUnackedBytes < 0, "MaxUnackedBytes is negative")
	bad(c.InboxBytes < 0, "InboxBytes is negative")
	bad(c.HeartbeatTimeout < 0 || c.HandshakeTimeout < 0 || c.CloseTimeout < 0, "a timeout is negative")
	bad(c.Network != "" && !slices.Contains(Networks(), c.Network), "Network is none of auto, quic and tcp")
	bad(c.ReconnectMin < 0 || c.ReconnectMax < 0, "a pause before reconnecting is negative")
	bad(c.ReconnectMax > 0 && c.ReconnectMin > c.ReconnectMax, "ReconnectMin is above ReconnectMax")
	return errors.Join(errs...)
}

// LoadDir reads a client directory as `enclaved dev-init` and `scbr grant` leave
// it: domain.json, policy.json, client.key and client.grant. The router name is
// that of a development router.
func LoadDir(dir string) (Config, error) { return LoadDirAs(dir, DefaultName) }

// LoadDirAs is LoadDir with another identity: prefix.key and prefix.grant, where
// prefix is a path, or a name within dir.
func LoadDirAs(dir, prefix string) (Config, error) {
	const op = opLoad
	if !filepath.IsAbs(prefix) && filepath.Base(prefix) == prefix {
		prefix = filepath.Join(dir, prefix)
	}
	var parts [4][]byte
	for i, name := range []string{filepath.Join(dir, DomainFile), filepath.Join(dir, PolicyFile), prefix + ".key", prefix + ".grant"} {
		b, err := readBounded(name)
		if err != nil {
			return Config{}, &Error{Op: op, Kind: KindConfig, Err: err}
		}
		parts[i] = b
	}
	domain, err := keyx.ParseDomain(parts[0])
	if err != nil {
		return Config{}, &Error{Op: op, Kind: KindConfig, Err: fmt.Errorf("%s: %w", DomainFile, err)}
	}
	policy, err := quote.ParsePolicy(parts[1])
	if err != nil {
		return Config{}, &Error{Op: op, Kind: KindConfig, Err: fmt.Errorf("%s: %w", PolicyFile, err)}
	}
	key, err := keyx.ParsePrivateKeyPEM(parts[2])
	if err != nil {
		return Config{}, &Error{Op: op, Kind: KindConfig, Err: fmt.Errorf("%s.key: %w", filepath.Base(prefix), err)}
	}
	list, err := ReadRevocation(filepath.Join(dir, RevocationFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Config{}, &Error{Op: op, Kind: KindConfig, Err: err}
	}
	return Config{Domain: domain, Policy: policy, Router: DevRouter, Grant: parts[3], Key: key, Revocation: list}, nil
}

// ReadRevocation reads the file of a revocation list as scbr revoke writes it, without verifying it.
func ReadRevocation(name string) ([]byte, error) {
	b, err := readBounded(name)
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b, []byte("\n")), nil
}

func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name) //nolint:gosec // the path is the caller's own configuration
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // opened for reading only
	b, err := io.ReadAll(io.LimitReader(f, maxConfigFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxConfigFile {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, maxConfigFile)
	}
	return b, nil
}

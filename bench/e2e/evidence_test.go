package e2e

import (
	"crypto/rand"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/quote"
)

// TestDialRefusesForeignEnclaves: whatever the host boots instead of the enclave that the client pinned, Dial refuses with a type
// that names the failing check, and the client sends nothing after message 1: neither grant nor filter.
func TestDialRefusesForeignEnclaves(t *testing.T) {
	cases := map[string]struct {
		world  func(*setup)
		client func(*testing.T, *client.Config)
		kind   keyx.Kind
		check  string // of the quote's refusal; empty: refused before the quote
	}{
		"another measurement": {
			world: func(s *setup) { s.platform.Measurement[0] ^= 1 },
			kind:  keyx.KindEvidenceRefused, check: quote.CheckMeasurement,
		},
		"debug enclave": {
			world: func(s *setup) { s.platform.Debug = true },
			kind:  keyx.KindEvidenceRefused, check: quote.CheckDebug,
		},
		"foreign root of the same name": {
			client: func(t *testing.T, c *client.Config) {
				files, err := sim.Create(rand.Reader, time.Now())
				require.NoError(t, err)
				p, err := sim.Load(files, sim.Config{Measurement: [32]byte{1, 2, 3}})
				require.NoError(t, err)
				c.Policy = p.Policy()
			},
			kind: keyx.KindEvidenceRefused, check: quote.CheckChainRoot,
		},
		"policy without any root": {
			client: func(_ *testing.T, c *client.Config) { c.Policy = quote.Policy{Measurements: c.Policy.Measurements} },
			kind:   keyx.KindEvidenceRefused, check: quote.CheckPolicy,
		},
		"honest measurement, another authority's key": {
			world: func(s *setup) { s.enclaveDomain = domainOf(newAuthority(&testing.T{})) },
			kind:  keyx.KindConfigMismatch,
		},
		"another domain": {
			world: func(s *setup) { s.enclaveDomain.Name = "elsewhere.example" },
			kind:  keyx.KindWrongDomain,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var beyond atomic.Int64
			w := start(t, func(s *setup) {
				if tc.world != nil {
					tc.world(s)
				}
				s.toEnclave = func(f abi.Frame, raw []byte) [][]byte {
					if f.Type == abi.Finish || f.Type == abi.Data {
						beyond.Add(1)
					}
					return [][]byte{raw}
				}
			})
			cfg := w.config("c", "TRUE", "TRUE")
			if tc.client != nil {
				tc.client(t, &cfg)
			}
			_, err := client.Dial(w.ctx(), cfg)
			requireKind(t, err, tc.kind)
			if tc.check != "" {
				var r *quote.Refusal
				require.ErrorAs(t, err, &r)
				require.EqualValues(t, tc.check, r.Check)
				require.NotEmpty(t, r.Remedy)
			}
			require.Zero(t, beyond.Load(), "something was sent after the refusal")
		})
	}
}

// TestHostCannotPlayEnclave: a host that answers with messages of its own, of another session, or reflected, gets nothing after
// message 1 or, where it lets message 3 pass, no command.
func TestHostCannotPlayEnclave(t *testing.T) {
	cases := map[string]func(old [][]byte) func(f abi.Frame, raw []byte) [][]byte{
		"message 2 of another session": func(old [][]byte) func(abi.Frame, []byte) [][]byte {
			return replaceHandshake(2, func(f abi.Frame) []byte { return old[0] })
		},
		"message 4 of another session": func(old [][]byte) func(abi.Frame, []byte) [][]byte {
			return replaceHandshake(4, func(f abi.Frame) []byte { return old[1] })
		},
		"message 2 as message 4": func(old [][]byte) func(abi.Frame, []byte) [][]byte {
			return replaceHandshake(4, func(f abi.Frame) []byte { return old[0] })
		},
	}
	for name, attack := range cases {
		t.Run(name, func(t *testing.T) {
			var old [2][]byte
			var armed atomic.Bool
			var data atomic.Int64
			w := start(t, func(s *setup) {
				replace := func(f abi.Frame, raw []byte) [][]byte { return attack(old[:])(f, raw) }
				s.fromEnclave = func(f abi.Frame, raw []byte) [][]byte {
					if armed.Load() {
						return replace(f, raw)
					}
					if f.Type == abi.Handshake {
						old[f.Stage/2-1] = append([]byte(nil), f.Body...)
					}
					return [][]byte{raw}
				}
				s.toEnclave = func(f abi.Frame, raw []byte) [][]byte {
					if f.Type == abi.Data {
						data.Add(1)
					}
					return [][]byte{raw}
				}
			})
			require.NoError(t, w.dial(w.config("first", "TRUE", "TRUE")).Close())
			armed.Store(true)
			_, err := client.Dial(w.ctx(), w.config("second", "TRUE", "TRUE"))
			require.Error(t, err)
			var e *client.Error
			require.ErrorAs(t, err, &e)
			require.GreaterOrEqual(t, uint16(e.Kind), uint16(keyx.KindBadMessage), "the client's own check, not a broken connection: %v", err)
			require.Zero(t, data.Load(), "a command left the client")
		})
	}
}

func replaceHandshake(stage uint8, by func(abi.Frame) []byte) func(abi.Frame, []byte) [][]byte {
	return func(f abi.Frame, raw []byte) [][]byte {
		if f.Type == abi.Handshake && f.Stage == stage {
			return [][]byte{abi.AppendHandshake(nil, f.Conn, stage, by(f))}
		}
		return [][]byte{raw}
	}
}

package message

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the vectors anew")

// envelopeVector is testdata/envelope.json: a Deliver message with two envelopes, and what is in it.
type envelopeVector struct {
	List      uint64           `json:"revocation_list"`
	First     uint64           `json:"first"`
	Envelopes []vectorEnvelope `json:"envelopes"`
	Message   string           `json:"message"`
}

type vectorEnvelope struct {
	CK            string   `json:"ck"`
	Subject       string   `json:"subject"`
	Run           uint64   `json:"run"`
	Counter       uint64   `json:"counter"`
	GKEpoch       uint64   `json:"gk_epoch"`
	Commitment    string   `json:"commitment"`
	AttributeHash string   `json:"attribute_hash"`
	Subscriptions []uint32 `json:"subscriptions"`
	Padding       int      `json:"padding"`
}

func (v *envelopeVector) encode(t *testing.T) []byte {
	msg := BeginDeliver(nil, v.List, v.First)
	for _, e := range v.Envelopes {
		x := Envelope{Subject: []byte(e.Subject), Run: e.Run, Counter: e.Counter, GKEpoch: e.GKEpoch, Subscriptions: e.Subscriptions, Padding: e.Padding}
		for _, f := range []struct {
			to   []byte
			from string
		}{{x.CK[:], e.CK}, {x.Commitment[:], e.Commitment}, {x.AttributeHash[:], e.AttributeHash}} {
			_, err := hex.Decode(f.to, []byte(f.from))
			require.NoError(t, err)
		}
		var err error
		msg, err = AppendEnvelope(msg, &x)
		require.NoError(t, err)
	}
	require.NoError(t, FinishDeliver(msg, len(v.Envelopes)))
	return msg
}

// TestEnvelopeVector takes the message apart byte by byte, as docs/PROTOCOL.md has it, without this package.
func TestEnvelopeVector(t *testing.T) {
	const file = "testdata/envelope.json"
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	var v envelopeVector
	require.NoError(t, json.Unmarshal(b, &v))
	if *update {
		v.Message = hex.EncodeToString(v.encode(t))
		b, err := json.MarshalIndent(v, "", "  ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, append(b, '\n'), 0o600))
	}
	require.Equal(t, v.Message, hex.EncodeToString(v.encode(t)))
	rest, err := hex.DecodeString(v.Message)
	require.NoError(t, err)
	take := func(n int) []byte {
		require.LessOrEqual(t, n, len(rest))
		out := rest[:n]
		rest = rest[n:]
		return out
	}
	number := func(size int) (n uint64) {
		for _, x := range take(size) {
			n = n<<8 | uint64(x)
		}
		return n
	}
	require.EqualValues(t, 0x82, number(1))
	require.Equal(t, v.List, number(8))
	require.Equal(t, v.First, number(8))
	require.EqualValues(t, len(v.Envelopes), number(2))
	for _, e := range v.Envelopes {
		require.Equal(t, e.CK, hex.EncodeToString(take(32)))
		require.Equal(t, e.Subject, string(take(int(number(1)))))
		require.Equal(t, e.Run, number(8))
		require.Equal(t, e.Counter, number(8))
		require.Equal(t, e.GKEpoch, number(8))
		require.Equal(t, e.Commitment, hex.EncodeToString(take(32)))
		require.Equal(t, e.AttributeHash, hex.EncodeToString(take(32)))
		require.EqualValues(t, len(e.Subscriptions), number(2))
		for _, id := range e.Subscriptions {
			require.EqualValues(t, id, number(4))
		}
		padding := take(int(number(2)))
		require.Equal(t, make([]byte, e.Padding), padding)
	}
	require.Empty(t, rest)
}

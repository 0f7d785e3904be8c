package enclave

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/matcher/filter"
)

// publication is one a client makes: what it sends and what others must get.
type publication struct {
	header message.Header
	id     keyx.PublicationID
	sealed []byte
	body   string
}

func event(t testing.TB, attrs ...any) filter.Event {
	t.Helper()
	var list []filter.Attribute
	for i := 0; i < len(attrs); i += 2 {
		a := filter.Attribute{Name: attrs[i].(string)}
		switch v := attrs[i+1].(type) {
		case int:
			a.Value = filter.Int(int64(v))
		case string:
			a.Value = filter.String(v)
		default:
			require.Fail(t, "unknown type")
		}
		list = append(list, a)
	}
	e, err := filter.NewEvent(list...)
	require.NoError(t, err)
	return e
}

// publication makes the client's next one.
func (c *client) publication(body string, attrs ...any) publication {
	c.counter++
	return c.publicationAt(c.run, c.counter, body, event(c.w.t, attrs...).AppendBinary(nil))
}

func (c *client) publicationAt(run, counter uint64, body string, attrs []byte) publication {
	var ck [32]byte
	var salt [16]byte
	require.NoError(c.w.t, c.keys.Content.Derive(run, counter, &ck, &salt))
	p := publication{
		id:   keyx.PublicationID{Domain: c.w.domain.Name, Subject: c.subject, Run: run, Counter: counter},
		body: body,
	}
	key := keyx.PayloadKey(&ck, nil, &p.id)
	p.sealed = keyx.SealPayload(nil, &key, &salt, attrs, []byte(body), 0)
	p.header = message.Header{
		Run: run, Counter: counter, Commitment: keyx.Commit(&p.id, &key, p.sealed), Attrs: attrs,
	}
	return p
}

func publishMsg(t testing.TB, pubs ...publication) []byte {
	t.Helper()
	msg := message.BeginPublish(nil)
	var err error
	for i := range pubs {
		msg, err = message.AppendHeader(msg, &pubs[i].header)
		require.NoError(t, err)
	}
	require.NoError(t, message.FinishPublish(msg, len(pubs)))
	return msg
}

func (c *client) publishFrame(pubs ...publication) []byte {
	return c.data(publishMsg(c.w.t, pubs...), len(pubs))
}

// requireOpens opens the payload with what the envelope says.
func (d *delivery) requireOpens(t testing.TB, domain string, p publication) {
	t.Helper()
	id := keyx.PublicationID{
		Domain: domain, Subject: string(d.Subject), Run: d.Run, Counter: d.Counter, GKEpoch: d.GKEpoch,
	}
	require.Equal(t, p.id, id)
	attrs, body, err := keyx.OpenPayload(&id, &d.CK, nil, &d.Commitment, &d.AttributeHash, p.sealed)
	require.NoError(t, err)
	require.Equal(t, p.body, string(body))
	require.Equal(t, p.header.Attrs, attrs)
}

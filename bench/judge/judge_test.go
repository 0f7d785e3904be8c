package judge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/matcher/filter"
)

// TestJudgeCanFail: a judge that lets everything pass would find this suite in order.
func TestJudgeCanFail(t *testing.T) {
	event := func(n int64) filter.Event {
		e, err := filter.NewEvent(filter.Attribute{Name: "n", Value: filter.Int(n)})
		require.NoError(t, err)
		return e
	}
	start := time.Now()
	where, err := filter.Parse("n >= 1")
	require.NoError(t, err)
	var published []Publication
	for n := range int64(4) {
		published = append(published, Publication{Publisher: "p", Counter: uint64(n + 1), Event: event(n), Body: []byte{byte(n)}, Acked: true, Begun: start.Add(time.Duration(n) * time.Second)})
	}
	got := func(n int64) Happening {
		return Happening{Delivery: &client.Delivery{Publisher: "p", Counter: uint64(n + 1), Attributes: event(n), Payload: []byte{byte(n)}}}
	}
	resumed := func(n int64) Happening {
		return Happening{Notice: &client.ResumedError{At: start.Add(time.Duration(n) * time.Second)}}
	}
	gone := Happening{Notice: &client.DisconnectedError{Err: &client.Error{}}}
	closed := Happening{Notice: &client.Error{Err: client.ErrClosed}}
	lost := Happening{Notice: &client.LostError{N: 1}}
	forged, other, foreign := got(1), got(1), got(1)
	forged.Delivery.Payload = []byte("x")
	other.Delivery.Attributes = event(3)
	foreign.Delivery.Publisher = "q"
	for name, tc := range map[string]struct {
		saw  []Happening
		want error
	}{
		"all":                    {[]Happening{got(1), got(2), got(3)}, nil},
		"announced":              {[]Happening{got(1), lost, got(3)}, nil},
		"fewer announced":        {[]Happening{lost, got(3)}, ErrUnannounced},
		"announced at the end":   {[]Happening{got(1), got(2), lost}, nil},
		"in an outage":           {[]Happening{got(1), gone, resumed(3), got(3)}, nil},
		"after an outage":        {[]Happening{got(1), gone, resumed(2), got(3)}, ErrUnannounced},
		"closed with all":        {[]Happening{got(1), got(2), got(3), closed}, nil},
		"closed without":         {[]Happening{got(1), got(2), closed}, ErrUnannounced},
		"missing":                {[]Happening{got(1), got(3)}, ErrUnannounced},
		"announced in its place": {[]Happening{lost, got(1), got(3)}, ErrUnannounced},
		"missing at the end":     {[]Happening{got(1), got(2)}, ErrUnannounced},
		"missing altogether":     {nil, ErrUnannounced},
		"twice":                  {[]Happening{got(1), got(1), got(2), got(3)}, ErrTwice},
		"out of order":           {[]Happening{got(1), got(3), lost, got(2)}, ErrOrder},
		"not matching":           {[]Happening{got(0), got(1), got(2), got(3)}, ErrUnmatched},
		"another payload":        {[]Happening{forged, got(2), got(3)}, ErrForged},
		"other attributes":       {[]Happening{other, got(2), got(3)}, ErrForged},
		"another publisher":      {[]Happening{foreign, got(1), got(2), got(3)}, ErrForged},
	} {
		err := Judge(published, []*Witness{{Where: where, Saw: tc.saw}})
		if tc.want == nil {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, tc.want, name)
	}
}

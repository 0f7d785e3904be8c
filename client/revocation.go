package client

import (
	"errors"
	"time"

	"github.com/scbr/scbr/keyx"
)

var (
	errGrantRevoked = errors.New("a revocation list takes this client's grant back")
	errOldList      = errors.New("the newest revocation list that this client has is older than its domain allows")
	errNoList       = errors.New("this domain bounds the age of revocation lists, and this client has none")
)

// verifyList verifies a revocation list, if there is one, and that it leaves the grant alone.
func verifyList(op string, jws []byte, domain keyx.Domain, grant *keyx.Grant) (*keyx.RevocationList, *Error) {
	if jws == nil {
		return nil, nil
	}
	list, err := keyx.VerifyRevocationList(jws, domain)
	if err != nil {
		return nil, &Error{Op: op, Kind: kindOf(err), Err: err}
	}
	if list.Revokes(grant) {
		return nil, &Error{Op: op, Kind: Kind(keyx.KindGrantRevoked), Err: errGrantRevoked}
	}
	return list, nil
}

// listAge tells why a list, or none, may not be relied on any more, or nil.
func listAge(op string, list *keyx.RevocationList, domain *keyx.Domain, now time.Time) error {
	if list.Fresh(domain.Revocation, now) {
		return nil
	}
	cause := errOldList
	if list == nil {
		cause = errNoList
	}
	return &Error{Op: op, Kind: Kind(keyx.KindStale), Err: cause}
}

// listNumber is the number of the newest revocation list that this client has verified, or 0.
func (c *Client) listNumber() uint64 {
	if l := c.verified.Load(); l != nil {
		return l.Number
	}
	return 0
}

// UpdateRevocation gives the Client a revocation list, as an authority of the domain signed it, that came
// by a path which the router's host does not control. From its return on, what is published names the list, so
// that no subscriber revoked in it is given a key, whatever the host does; and nothing is accepted that was
// sealed under an older one, so that nothing is taken of a publisher revoked in it. Until the enclave has the
// list too, publications are refused as stale and deliveries are lost, which is told.
//
// A list older than the one the Client has changes nothing and is no error. A list that takes the Client's own
// grant back ends the Client with KindGrantRevoked.
func (c *Client) UpdateRevocation(jws []byte) error {
	c.updating.Lock()
	defer c.updating.Unlock()
	list, err := verifyList(opRevocation, jws, c.cfg.Domain, &c.grant)
	switch {
	case err != nil && err.Kind == Kind(keyx.KindGrantRevoked):
		c.end(err)
		c.current().end(err)
		return err
	case err != nil:
		return err
	case list == nil || list.Number <= c.listNumber():
		return nil
	}
	c.verified.Store(list)
	return nil
}

// mayPublish tells why nothing may be published, or nil: a publisher that the host keeps ignorant stops by
// its own clock.
func (c *Client) mayPublish() error {
	return listAge(opPublish, c.verified.Load(), &c.cfg.Domain, c.cfg.Now())
}

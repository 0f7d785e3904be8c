// Package client is the SDK of SCBR: it publishes events and subscribes to them by
// content through a router that nobody trusts.
//
// Who may lie to it: everything on the other end of the connection. The network
// and the router may drop, delay, repeat, reorder, swap and invent bytes. Only an
// enclave whose evidence passed the caller's policy, and which proved that it
// holds this session's keys, is believed, and only for what it sealed. Other
// clients may lie too: a publisher about its attributes, a matched subscriber
// about a payload.
//
// What it promises:
//   - no command leaves before the enclave has confirmed the session: a Client
//     exists only after that;
//   - a payload and its attributes are exposed only after the commitment and the
//     attribute hash, which the enclave sealed, have been checked against them;
//   - Publish returns nil only after the enclave's sealed acknowledgement: the
//     publication was opened, authorised, matched and handed to delivery. It does
//     not mean delivered;
//   - what is lost is counted and reported in order by Receive (LostError), and a
//     cut tail is noticed by the enclave's heartbeats; a repeated delivery is
//     dropped; a session whose sealed history differs from ours ends;
//   - with Config.Group everything is published under the newest verified epoch of
//     the group's key or not at all, and the enclave never holds that key;
//   - when a session ends another is opened, with every check anew: subscriptions
//     go on, what was not acknowledged is sent again as it was sealed, and Receive
//     tells where deliveries may be missing and from when on they are not
//     (DisconnectedError, RestartedError, ResumedError).
//
// What it does not promise: delivery (the host may always withhold), knowledge of
// what happened to a publication that was not acknowledged when the Client ended
// (ErrUnacknowledged), the number of messages lost when the enclave restarted
// (RestartedError), or memory of duplicates beyond the life of the Client.
package client

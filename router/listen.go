package router

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"time"

	"github.com/scbr/scbr/router/wire"
)

// selfSigned makes the certificate QUIC cannot do without. It carries no trust: clients accept any, because what they check is the evidence inside the
// key exchange, end to end with the enclave. It is new at every start, so that nobody gets used to pinning it.
func selfSigned(now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "scbr router (no trust)"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(10, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// tlsConfig is that of both transports.
func tlsConfig() (*tls.Config, error) {
	cert, err := selfSigned(time.Now())
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert}, NextProtos: []string{wire.ALPN}, MinVersion: tls.VersionTLS13,
		SessionTicketsDisabled: true,
	}, nil
}

// Listen opens a socket for Config.PacketConn; Config.ListenAddr does the same within Serve. It is for a program that wants to know early
// whether the address can be had.
func Listen(addr string) (net.PacketConn, error) {
	c, err := listenUDP(addr)
	if err != nil {
		return nil, &Error{Op: "listen", Kind: wire.Unavailable, Err: err}
	}
	return c, nil
}

func listenUDP(addr string) (net.PacketConn, error) {
	udp, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, err
	}
	c, err := net.ListenUDP("udp", udp)
	if err != nil {
		return nil, err
	}
	return accelerate(c), nil
}

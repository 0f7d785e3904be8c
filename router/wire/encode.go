package wire

import "encoding/binary"

// The Append functions add one frame to dst. They do not check limits: a caller keeps a frame within MaxFrame (DataSize tells)
// and MaxPayloads, and a receiver refuses what is not.

// AppendHello appends the frame with message 1.
func AppendHello(dst, msg1 []byte) []byte { return appendMsg(dst, TypeHello, msg1) }

// AppendFinish appends the frame with message 3.
func AppendFinish(dst, msg3 []byte) []byte { return appendMsg(dst, TypeFinish, msg3) }

// AppendServerHello appends the frame with message 2.
func AppendServerHello(dst, msg2 []byte) []byte { return appendMsg(dst, TypeServerHello, msg2) }

// AppendConfirm appends the frame with message 4.
func AppendConfirm(dst, msg4 []byte) []byte { return appendMsg(dst, TypeConfirm, msg4) }

// AppendBye appends the frame that ends a session.
func AppendBye(dst []byte) []byte { return appendMsg(dst, TypeBye, nil) }

// AppendRefuse appends the frame that refuses or ends a session; kind is not 0.
func AppendRefuse(dst []byte, kind Kind) []byte {
	return binary.BigEndian.AppendUint16(appendHeader(dst, TypeRefuse, 2), uint16(kind))
}

// AppendData appends a client's frame: one sealed blob and the payloads of its publications.
func AppendData(dst, blob []byte, payloads [][]byte) []byte {
	dst = appendDataHead(dst, TypeData, blob, len(payloads), total(payloads))
	return appendPayloads(dst, payloads)
}

// AppendDelivery appends a router's frame: one sealed blob and the payloads of its envelopes.
func AppendDelivery(dst, blob []byte, payloads [][]byte) []byte {
	dst = AppendDeliveryHead(dst, blob, len(payloads), total(payloads))
	return appendPayloads(dst, payloads)
}

// AppendDeliveryHead appends a TypeDelivery frame up to where its payloads begin. The caller then appends exactly count payloads of
// together payloadBytes bytes, each by AppendPayloadHead and its bytes: a large payload need not be copied.
func AppendDeliveryHead(dst, blob []byte, count, payloadBytes int) []byte {
	return appendDataHead(dst, TypeDelivery, blob, count, payloadBytes)
}

// AppendPayloadsHead appends a TypePayloads frame up to where its payloads begin, which the caller appends as after
// AppendDeliveryHead.
func AppendPayloadsHead(dst []byte, count, payloadBytes int) []byte {
	dst = appendHeader(dst, TypePayloads, 2+PayloadOverhead*count+payloadBytes)
	return binary.BigEndian.AppendUint16(dst, uint16(count))
}

// AppendPayloadHead appends what precedes a payload of n bytes.
func AppendPayloadHead(dst []byte, n int) []byte {
	return binary.BigEndian.AppendUint32(dst, uint32(n))
}

// DataSize is the length field of a TypeData or TypeDelivery frame of that content; it must not exceed MaxFrame.
func DataSize(blobBytes, count, payloadBytes int) int {
	return DataOverhead - lengthBytes + blobBytes + PayloadOverhead*count + payloadBytes
}

func appendDataHead(dst []byte, t Type, blob []byte, count, payloadBytes int) []byte {
	dst = appendHeader(dst, t, 4+len(blob)+2+PayloadOverhead*count+payloadBytes)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(blob)))
	dst = append(dst, blob...)
	return binary.BigEndian.AppendUint16(dst, uint16(count))
}

func appendPayloads(dst []byte, payloads [][]byte) []byte {
	for _, p := range payloads {
		dst = append(AppendPayloadHead(dst, len(p)), p...)
	}
	return dst
}

func appendMsg(dst []byte, t Type, msg []byte) []byte {
	return append(appendHeader(dst, t, len(msg)), msg...)
}

func appendHeader(dst []byte, t Type, body int) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(HeaderBytes-lengthBytes+body))
	return append(dst, Version, byte(t))
}

func total(payloads [][]byte) int {
	n := 0
	for _, p := range payloads {
		n += len(p)
	}
	return n
}

package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A publishedLog is what a folder has of a log, and who may sign for it.
type publishedLog struct {
	folder string
	keys   note.Verifiers
	// What the entries make, once they were read.
	made   storedHashes
	madeOf tlog.Tree
}

// openCheckpoint ignores signatures of types that Go does not know: it opens with the one that it does.
func (log *publishedLog) openCheckpoint(text []byte) (tlog.Tree, error) {
	opened, err := note.Open(text, log.keys)
	if err != nil {
		return tlog.Tree{}, err
	}
	// The log's name, its size, its root (c2sp.org/tlog-checkpoint).
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] != opened.Sigs[0].Name {
		return tlog.Tree{}, errors.New("no checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

func (log *publishedLog) judgeInclusion(text []byte, index int64, entry []byte, proof [][]byte) error {
	tree, err := log.openCheckpoint(text)
	if err != nil {
		return err
	}
	hashes, err := hashesOf(proof)
	if err != nil {
		return err
	}
	if index < 0 || index >= tree.N {
		return fmt.Errorf("no entry %d", index)
	}
	return tlog.CheckRecord(tlog.RecordProof(hashes), tree.N, tree.Hash, index, tlog.RecordHash(entry))
}

func (log *publishedLog) judgeConsistency(older, newer []byte, proof [][]byte) error {
	from, err := log.openCheckpoint(older)
	if err != nil {
		return err
	}
	to, err := log.openCheckpoint(newer)
	if err != nil {
		return err
	}
	hashes, err := hashesOf(proof)
	if err != nil {
		return err
	}
	return tlog.CheckTree(tlog.TreeProof(hashes), to.N, to.Hash, from.N, from.Hash)
}

// judgeReceipt reads c2sp.org/tlog-proof@v1, where "extra" is the entry itself.
func (log *publishedLog) judgeReceipt(receipt []byte) error {
	text := string(receipt)
	split := strings.Index(text, "\n\n")
	if split < 0 {
		return errors.New("no checkpoint in it")
	}
	lines := strings.Split(text[:split], "\n")
	if len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("no receipt")
	}
	if !strings.HasPrefix(lines[1], "extra ") || !strings.HasPrefix(lines[2], "index ") {
		return errors.New("no entry in it")
	}
	entry, err := decode(lines[1][len("extra "):])
	if err != nil {
		return err
	}
	index, err := strconv.ParseInt(lines[2][len("index "):], 10, 64)
	if err != nil {
		return err
	}
	var proof [][]byte
	for _, line := range lines[3:] {
		hash, err := decode(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	return log.judgeInclusion([]byte(text[split+2:]), index, entry, proof)
}

func decode(line string) ([]byte, error) {
	return base64.StdEncoding.Strict().DecodeString(line)
}

func hashesOf(proof [][]byte) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(proof))
	for i, bytes := range proof {
		if len(bytes) != tlog.HashSize {
			return nil, errors.New("a hash of another length")
		}
		copy(hashes[i][:], bytes)
	}
	return hashes, nil
}

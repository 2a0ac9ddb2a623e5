// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {ISignatureTransfer} from "./ISignatureTransfer.sol";

/// Takes Permit2's place on a development chain: transfers by signature with a witness, and
/// nothing else of it. There is no constructor and no immutable: the code works at whatever address
/// it is placed.
///
/// An owner approves this contract once for a token; from then on each transfer needs the owner's
/// signature over token, amount, spender, nonce, deadline and witness.
contract DevPermit2 is ISignatureTransfer {
    using SafeERC20 for IERC20;

    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,uint256 chainId,address verifyingContract)");
    bytes32 private constant NAME_HASH = keccak256("Permit2");
    bytes32 private constant TOKEN_PERMISSIONS_TYPEHASH =
        keccak256("TokenPermissions(address token,uint256 amount)");
    /// The witness's own type follows, then those that it and `permitted` refer to.
    string private constant TRANSFER_TYPE_BEGIN =
        "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,";

    /// Nonces in no order: bit `nonce % 256` of word `nonce / 256` is set once it is used up.
    mapping(address owner => mapping(uint256 word => uint256)) public nonceBitmap;

    function permitWitnessTransferFrom(
        PermitTransferFrom calldata permit,
        SignatureTransferDetails calldata transferDetails,
        address owner,
        bytes32 witness,
        string calldata witnessTypeString,
        bytes calldata signature
    ) external {
        require(block.timestamp <= permit.deadline, SignatureExpired(permit.deadline));
        uint256 amount = transferDetails.requestedAmount;
        require(amount <= permit.permitted.amount, InvalidAmount(permit.permitted.amount));
        _use(owner, permit.nonce);
        _requireSigned(owner, _digest(permit, msg.sender, witness, witnessTypeString), signature);
        IERC20(permit.permitted.token).safeTransferFrom(owner, transferDetails.to, amount);
    }

    /// Makes nonces of the caller void, used or not.
    function invalidateUnorderedNonces(uint256 wordPos, uint256 mask) external {
        nonceBitmap[msg.sender][wordPos] |= mask;
        emit UnorderedNonceInvalidation(msg.sender, wordPos, mask);
    }

    /// Computed at every call, because neither the address nor the chain id is known when the code
    /// is made.
    function DOMAIN_SEPARATOR() public view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, NAME_HASH, block.chainid, address(this)));
    }

    function _use(address owner, uint256 nonce) private {
        uint256 word = nonce >> 8;
        uint256 bit = 1 << (nonce & 0xff);
        uint256 used = nonceBitmap[owner][word];
        require(used & bit == 0, InvalidNonce());
        nonceBitmap[owner][word] = used | bit;
    }

    function _digest(
        PermitTransferFrom calldata permit,
        address spender,
        bytes32 witness,
        string calldata witnessTypeString
    ) private view returns (bytes32) {
        bytes32 permitted = keccak256(
            abi.encode(TOKEN_PERMISSIONS_TYPEHASH, permit.permitted.token, permit.permitted.amount)
        );
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(abi.encodePacked(TRANSFER_TYPE_BEGIN, witnessTypeString)),
                permitted,
                spender,
                permit.nonce,
                permit.deadline,
                witness
            )
        );
        return keccak256(abi.encodePacked(hex"1901", DOMAIN_SEPARATOR(), structHash));
    }

    /// An owner with code is asked (ERC-1271). A key's signature is r‖s‖v, or the 64 bytes of
    /// EIP-2098; like the contract this stands in for, s may lie in either half of the order,
    /// because the nonce already keeps a signature from being used twice.
    function _requireSigned(address owner, bytes32 digest, bytes calldata signature) private view {
        if (owner.code.length != 0) {
            require(
                SignatureChecker.isValidERC1271SignatureNow(owner, digest, signature),
                InvalidContractSignature()
            );
            return;
        }
        require(signature.length == 65 || signature.length == 64, InvalidSignatureLength());
        bytes32 r = bytes32(signature[:32]);
        bytes32 s = bytes32(signature[32:64]);
        uint8 v;
        if (signature.length == 65) {
            v = uint8(signature[64]);
        } else {
            v = uint8(uint256(s) >> 255) + 27;
            s = bytes32((uint256(s) << 1) >> 1);
        }
        address signer = ecrecover(digest, v, r, s);
        require(signer != address(0), InvalidSignature());
        require(signer == owner, InvalidSigner());
    }
}

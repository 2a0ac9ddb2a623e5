// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {ChannelConfig, IBatchSettlement, VoucherClaim} from "./IBatchSettlement.sol";
import {IDepositCollector} from "./IDepositCollector.sol";

/// Escrow for one-way payment channels: a payer deposits once, signs cumulative vouchers off the
/// chain, and the receiver claims them in batches and is paid in one transfer.
///
/// There is no constructor and no immutable: the code works at whatever address it is placed.
///
/// For every token this contract holds at least what is unclaimed in all channels plus what is
/// claimed and not yet settled of all receivers.
contract BatchSettlement is IBatchSettlement, ReentrancyGuardTransient, Multicall {
    using SafeERC20 for IERC20;

    struct Channel {
        uint128 balance;
        uint128 totalClaimed;
    }

    struct PendingWithdrawal {
        uint128 amount;
        uint40 initiatedAt;
    }

    struct Receiver {
        uint128 totalClaimed;
        uint128 totalSettled;
    }

    bytes32 public constant CHANNEL_CONFIG_TYPEHASH = keccak256(
        "ChannelConfig(address payer,address payerAuthorizer,address receiver,address receiverAuthorizer,address token,uint40 withdrawDelay,bytes32 salt)"
    );
    bytes32 public constant VOUCHER_TYPEHASH =
        keccak256("Voucher(bytes32 channelId,uint128 maxClaimableAmount)");
    bytes32 public constant REFUND_TYPEHASH =
        keccak256("Refund(bytes32 channelId,uint256 nonce,uint128 amount)");
    bytes32 public constant CLAIM_ENTRY_TYPEHASH =
        keccak256("ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)");
    bytes32 public constant CLAIM_BATCH_TYPEHASH = keccak256(
        "ClaimBatch(ClaimEntry[] claims)ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)"
    );

    uint40 public constant MIN_WITHDRAW_DELAY = 15 minutes;
    uint40 public constant MAX_WITHDRAW_DELAY = 30 days;

    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    string private constant NAME = "x402 Batch Settlement";
    string private constant VERSION = "1";
    bytes32 private constant NAME_HASH = keccak256(bytes(NAME));
    bytes32 private constant VERSION_HASH = keccak256(bytes(VERSION));

    /// `balance` is all deposits minus refunds and withdrawals; claims do not reduce it.
    mapping(bytes32 channelId => Channel) public channels;
    mapping(bytes32 channelId => PendingWithdrawal) public pendingWithdrawals;
    /// The nonce the next signed refund has to name.
    mapping(bytes32 channelId => uint256) public refundNonce;
    mapping(address receiver => mapping(address token => Receiver)) public receivers;

    /// Opens or tops up a channel with exactly `amount` of the payer's tokens. Anyone may call: the
    /// payer's consent is in `collectorData` and checked by the collector, and only what has really
    /// arrived is credited.
    function deposit(
        ChannelConfig calldata config,
        uint128 amount,
        address collector,
        bytes calldata collectorData
    ) external nonReentrant {
        _requireValid(config);
        require(amount != 0, ZeroDeposit());
        require(collector.code.length != 0, InvalidCollector());
        bytes32 channelId = getChannelId(config);
        Channel storage channel = channels[channelId];
        uint128 balance = channel.balance;
        require(amount <= type(uint128).max - balance, DepositOverflow());

        _collect(config, amount, channelId, collector, collectorData);

        uint128 newBalance = balance + amount;
        channel.balance = newBalance;
        if (balance == 0) emit ChannelCreated(channelId, config);
        emit Deposited(channelId, msg.sender, amount, newBalance);
    }

    /// Claims many vouchers; the caller must be receiver or receiver authorizer of every row.
    function claim(VoucherClaim[] calldata voucherClaims) external nonReentrant {
        require(voucherClaims.length != 0, EmptyBatch());
        for (uint256 i = 0; i < voucherClaims.length; ++i) {
            ChannelConfig calldata config = voucherClaims[i].voucher.channel;
            require(
                msg.sender == config.receiver || msg.sender == config.receiverAuthorizer,
                NotAuthorizedToClaim()
            );
        }
        _claim(_domainSeparator(), voucherClaims, new bytes32[](0));
    }

    /// Claims many vouchers on the signature of their common receiver authorizer; anyone may call.
    function claimWithSignature(
        VoucherClaim[] calldata voucherClaims,
        bytes calldata authorizerSignature
    ) external nonReentrant {
        require(voucherClaims.length != 0, EmptyBatch());
        address authorizer = voucherClaims[0].voucher.channel.receiverAuthorizer;
        for (uint256 i = 1; i < voucherClaims.length; ++i) {
            require(
                voucherClaims[i].voucher.channel.receiverAuthorizer == authorizer,
                NotReceiverAuthorizer()
            );
        }
        bytes32 domain = _domainSeparator();
        bytes32[] memory channelIds = _channelIds(domain, voucherClaims);
        bytes32 digest = _claimBatchDigest(domain, voucherClaims, channelIds);
        _requireSigned(authorizer, digest, authorizerSignature);
        _claim(domain, voucherClaims, channelIds);
    }

    /// Pays a receiver all that is claimed and not yet paid, in one transfer. Anyone may call, and
    /// repeat: nothing happens when nothing is due.
    function settle(address receiver, address token) external nonReentrant {
        Receiver storage account = receivers[receiver][token];
        uint128 totalClaimed = account.totalClaimed;
        uint128 due = totalClaimed - account.totalSettled;
        if (due == 0) return;

        account.totalSettled = totalClaimed;
        emit Settled(receiver, token, msg.sender, due);
        IERC20(token).safeTransfer(receiver, due);
    }

    /// Announces that the payer side will take back `amount`; the receiver has the withdraw delay
    /// to claim first.
    function initiateWithdraw(ChannelConfig calldata config, uint128 amount) external nonReentrant {
        _requirePayerSide(config);
        bytes32 channelId = getChannelId(config);
        PendingWithdrawal storage pending = pendingWithdrawals[channelId];
        require(pending.initiatedAt == 0, WithdrawalAlreadyPending());
        require(amount != 0, NothingToWithdraw());
        require(amount <= _available(channelId), WithdrawAmountExceedsAvailable());

        pending.amount = amount;
        pending.initiatedAt = uint40(block.timestamp);
        emit WithdrawInitiated(channelId, amount, uint40(block.timestamp) + config.withdrawDelay);
    }

    /// Ends a pending withdrawal after its delay and pays the payer what is then still unclaimed,
    /// at most the amount asked for. When all has been claimed the request is cleared and the event
    /// tells of a withdrawal of zero.
    function finalizeWithdraw(ChannelConfig calldata config) external nonReentrant {
        _requirePayerSide(config);
        bytes32 channelId = getChannelId(config);
        PendingWithdrawal memory pending = pendingWithdrawals[channelId];
        require(pending.initiatedAt != 0, WithdrawalNotPending());
        require(
            block.timestamp >= pending.initiatedAt + config.withdrawDelay, WithdrawDelayNotElapsed()
        );

        delete pendingWithdrawals[channelId];
        uint128 available = _available(channelId);
        uint128 amount = pending.amount < available ? pending.amount : available;
        emit WithdrawFinalized(channelId, msg.sender, amount);
        _release(channelId, config, amount);
    }

    /// Gives unclaimed money back to the payer at once; for the receiver or the receiver
    /// authorizer.
    function refund(ChannelConfig calldata config, uint128 amount) external nonReentrant {
        require(
            msg.sender == config.receiver || msg.sender == config.receiverAuthorizer,
            NotAuthorizedToRefund()
        );
        _refund(getChannelId(config), config, amount);
    }

    /// The same on the receiver authorizer's signature; anyone may call.
    function refundWithSignature(
        ChannelConfig calldata config,
        uint128 amount,
        uint256 nonce,
        bytes calldata receiverAuthorizerSignature
    ) external nonReentrant {
        bytes32 domain = _domainSeparator();
        bytes32 channelId = _channelId(domain, config);
        require(nonce == refundNonce[channelId], InvalidRefundNonce());
        _requireSigned(
            config.receiverAuthorizer,
            _refundDigest(domain, channelId, nonce, amount),
            receiverAuthorizerSignature
        );
        _refund(channelId, config, amount);
    }

    function getChannelId(ChannelConfig calldata config) public view returns (bytes32) {
        return _channelId(_domainSeparator(), config);
    }

    function getVoucherDigest(bytes32 channelId, uint128 maxClaimableAmount)
        external
        view
        returns (bytes32)
    {
        return _voucherDigest(_domainSeparator(), channelId, maxClaimableAmount);
    }

    function getRefundDigest(bytes32 channelId, uint256 nonce, uint128 amount)
        external
        view
        returns (bytes32)
    {
        return _refundDigest(_domainSeparator(), channelId, nonce, amount);
    }

    function getClaimBatchDigest(VoucherClaim[] calldata voucherClaims)
        external
        view
        returns (bytes32)
    {
        bytes32 domain = _domainSeparator();
        return _claimBatchDigest(domain, voucherClaims, _channelIds(domain, voucherClaims));
    }

    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        return (hex"0f", NAME, VERSION, block.chainid, address(this), bytes32(0), new uint256[](0));
    }

    function _collect(
        ChannelConfig calldata config,
        uint128 amount,
        bytes32 channelId,
        address collector,
        bytes calldata collectorData
    ) private {
        IERC20 token = IERC20(config.token);
        uint256 before = token.balanceOf(address(this));
        IDepositCollector(collector)
            .collect(config.payer, address(token), amount, channelId, collectorData);
        require(token.balanceOf(address(this)) == before + amount, DepositCollectionFailed());
    }

    /// Rows of one receiver and token that follow each other cost one write to the receiver's
    /// account. `channelIds` is empty, or has every row's id, where they had to be hashed before.
    function _claim(
        bytes32 domain,
        VoucherClaim[] calldata voucherClaims,
        bytes32[] memory channelIds
    ) private {
        address receiver;
        address token;
        uint128 earned;
        for (uint256 i = 0; i < voucherClaims.length; ++i) {
            VoucherClaim calldata row = voucherClaims[i];
            bytes32 channelId =
                channelIds.length == 0 ? _channelId(domain, row.voucher.channel) : channelIds[i];
            uint128 claimed = _claimRow(domain, row, channelId);
            if (claimed == 0) continue;
            ChannelConfig calldata config = row.voucher.channel;
            if (config.receiver != receiver || config.token != token) {
                _credit(receiver, token, earned);
                (receiver, token, earned) = (config.receiver, config.token, 0);
            }
            earned += claimed;
        }
        _credit(receiver, token, earned);
    }

    function _claimRow(bytes32 domain, VoucherClaim calldata row, bytes32 channelId)
        private
        returns (uint128)
    {
        Channel storage channel = channels[channelId];
        Channel memory stored = channel;
        uint128 totalClaimed = row.totalClaimed;
        if (totalClaimed <= stored.totalClaimed) return 0;
        uint128 ceiling = row.voucher.maxClaimableAmount;
        require(totalClaimed <= ceiling, ClaimExceedsCeiling());
        require(totalClaimed <= stored.balance, ClaimExceedsBalance());
        _requireVoucherSigned(
            row.voucher.channel, _voucherDigest(domain, channelId, ceiling), row.signature
        );

        uint128 claimed = totalClaimed - stored.totalClaimed;
        channel.totalClaimed = totalClaimed;
        emit Claimed(channelId, msg.sender, claimed, totalClaimed);
        return claimed;
    }

    function _credit(address receiver, address token, uint128 earned) private {
        if (earned != 0) receivers[receiver][token].totalClaimed += earned;
    }

    /// The nonce advances first, whatever is moved: a direct refund makes every earlier signed one
    /// void.
    function _refund(bytes32 channelId, ChannelConfig calldata config, uint128 amount) private {
        require(amount != 0, ZeroRefund());
        ++refundNonce[channelId];
        uint128 available = _available(channelId);
        if (amount > available) amount = available;
        if (amount == 0) return;

        _reducePending(pendingWithdrawals[channelId], amount);
        emit Refunded(channelId, msg.sender, amount);
        _release(channelId, config, amount);
    }

    /// What a refund has paid out is no longer to be withdrawn; a request it covers in full is
    /// gone.
    function _reducePending(PendingWithdrawal storage pending, uint128 refunded) private {
        uint128 requested = pending.amount;
        if (requested == 0) return;
        if (requested > refunded) {
            pending.amount = requested - refunded;
        } else {
            pending.amount = 0;
            pending.initiatedAt = 0;
        }
    }

    /// Pays the payer out of the channel. A balance of zero implies that nothing was ever claimed.
    function _release(bytes32 channelId, ChannelConfig calldata config, uint128 amount) private {
        if (amount == 0) return;
        Channel storage channel = channels[channelId];
        uint128 newBalance = channel.balance - amount;
        channel.balance = newBalance;
        if (newBalance == 0) emit ChannelClosed(channelId, config);
        IERC20(config.token).safeTransfer(config.payer, amount);
    }

    function _available(bytes32 channelId) private view returns (uint128) {
        Channel memory channel = channels[channelId];
        return channel.balance - channel.totalClaimed;
    }

    function _requireValid(ChannelConfig calldata config) private pure {
        require(
            config.payer != address(0) && config.receiver != address(0)
                && config.receiverAuthorizer != address(0) && config.token != address(0),
            InvalidChannel()
        );
        uint40 delay = config.withdrawDelay;
        require(
            delay >= MIN_WITHDRAW_DELAY && delay <= MAX_WITHDRAW_DELAY, WithdrawDelayOutOfRange()
        );
    }

    /// The public ABI has one error for both steps of a withdrawal.
    function _requirePayerSide(ChannelConfig calldata config) private view {
        require(
            msg.sender == config.payer || msg.sender == config.payerAuthorizer,
            NotAuthorizedToFinalizeWithdraw()
        );
    }

    /// A payer authorizer is a bare key; only a payer that signs for itself may be a contract.
    function _requireVoucherSigned(
        ChannelConfig calldata config,
        bytes32 digest,
        bytes calldata signature
    ) private view {
        address authorizer = config.payerAuthorizer;
        if (authorizer == address(0)) {
            _requireSigned(config.payer, digest, signature);
        } else {
            require(ECDSA.recoverCalldata(digest, signature) == authorizer, InvalidSignature());
        }
    }

    function _requireSigned(address signer, bytes32 digest, bytes calldata signature) private view {
        require(
            SignatureChecker.isValidSignatureNowCalldata(signer, digest, signature),
            InvalidSignature()
        );
    }

    /// Computed at every call, because neither the address nor the chain id is known when the code
    /// is made.
    function _domainSeparator() private view returns (bytes32) {
        return keccak256(
            abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid, address(this))
        );
    }

    function _channelId(bytes32 domain, ChannelConfig calldata config)
        private
        pure
        returns (bytes32)
    {
        return MessageHashUtils.toTypedDataHash(
            domain, keccak256(abi.encode(CHANNEL_CONFIG_TYPEHASH, config))
        );
    }

    function _voucherDigest(bytes32 domain, bytes32 channelId, uint128 maxClaimableAmount)
        private
        pure
        returns (bytes32)
    {
        return MessageHashUtils.toTypedDataHash(
            domain, keccak256(abi.encode(VOUCHER_TYPEHASH, channelId, maxClaimableAmount))
        );
    }

    function _refundDigest(bytes32 domain, bytes32 channelId, uint256 nonce, uint128 amount)
        private
        pure
        returns (bytes32)
    {
        return MessageHashUtils.toTypedDataHash(
            domain, keccak256(abi.encode(REFUND_TYPEHASH, channelId, nonce, amount))
        );
    }

    function _channelIds(bytes32 domain, VoucherClaim[] calldata voucherClaims)
        private
        pure
        returns (bytes32[] memory channelIds)
    {
        channelIds = new bytes32[](voucherClaims.length);
        for (uint256 i = 0; i < voucherClaims.length; ++i) {
            channelIds[i] = _channelId(domain, voucherClaims[i].voucher.channel);
        }
    }

    function _claimBatchDigest(
        bytes32 domain,
        VoucherClaim[] calldata voucherClaims,
        bytes32[] memory channelIds
    ) private pure returns (bytes32) {
        bytes32[] memory entries = new bytes32[](voucherClaims.length);
        for (uint256 i = 0; i < voucherClaims.length; ++i) {
            VoucherClaim calldata row = voucherClaims[i];
            entries[i] = keccak256(
                abi.encode(
                    CLAIM_ENTRY_TYPEHASH,
                    channelIds[i],
                    row.voucher.maxClaimableAmount,
                    row.totalClaimed
                )
            );
        }
        bytes32 batch =
            keccak256(abi.encode(CLAIM_BATCH_TYPEHASH, keccak256(abi.encodePacked(entries))));
        return MessageHashUtils.toTypedDataHash(domain, batch);
    }
}

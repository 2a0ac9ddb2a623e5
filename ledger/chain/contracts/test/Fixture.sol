// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchSettlement} from "../src/BatchSettlement.sol";
import {DevPermit2} from "../src/DevPermit2.sol";
import {AuthorizationToken, DevToken} from "../src/DevToken.sol";
import {ERC3009DepositCollector} from "../src/ERC3009DepositCollector.sol";
import {ChannelConfig, Voucher, VoucherClaim} from "../src/IBatchSettlement.sol";
import {Permit2DepositCollector} from "../src/Permit2DepositCollector.sol";
import {vm, Vm} from "./Vm.sol";

/// The contracts at their canonical addresses, one token, one party for each role, and the
/// signatures they make.
abstract contract Scene {
    address internal constant SETTLEMENT = 0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003;
    address internal constant COLLECTOR = 0x4020806089470a89826cB9fB1f4059150b550004;
    address internal constant PERMIT2_COLLECTOR = 0x4020425FAf3B746C082C2f942b4E5159887B0005;
    address internal constant PERMIT2 = 0x000000000022D473030F116dDEE9F6B43aC78BA3;

    uint256 internal constant PAYER_KEY = 0xa11ce;
    uint256 internal constant PAYER_AUTHORIZER_KEY = 0xa11ce2;
    uint256 internal constant RECEIVER_KEY = 0xb0b;
    uint256 internal constant RECEIVER_AUTHORIZER_KEY = 0xb0b2;
    uint256 internal constant STRANGER_KEY = 0xbad;

    address internal constant RELAYER = address(0x7e1a);
    uint40 internal constant DELAY = 900;
    uint256 internal constant NOON = 1_800_000_000;
    uint256 internal constant MINTED = 100_000_000e6;

    BatchSettlement internal settlement = BatchSettlement(SETTLEMENT);
    DevToken internal token;
    address internal payer = vm.addr(PAYER_KEY);
    address internal payerAuthorizer = vm.addr(PAYER_AUTHORIZER_KEY);
    address internal receiver = vm.addr(RECEIVER_KEY);
    address internal receiverAuthorizer = vm.addr(RECEIVER_AUTHORIZER_KEY);
    address internal stranger = vm.addr(STRANGER_KEY);
    uint256 private depositSalt;

    function prepare() internal {
        vm.warp(NOON);
        vm.etch(SETTLEMENT, type(BatchSettlement).runtimeCode);
        vm.etch(COLLECTOR, type(ERC3009DepositCollector).runtimeCode);
        vm.etch(PERMIT2_COLLECTOR, type(Permit2DepositCollector).runtimeCode);
        vm.etch(PERMIT2, type(DevPermit2).runtimeCode);
        address[] memory holders = new address[](1);
        holders[0] = payer;
        token = new DevToken(holders, MINTED);
    }

    function channel(uint256 salt) internal view returns (ChannelConfig memory) {
        return ChannelConfig({
            payer: payer,
            payerAuthorizer: payerAuthorizer,
            receiver: receiver,
            receiverAuthorizer: receiverAuthorizer,
            token: address(token),
            withdrawDelay: DELAY,
            salt: bytes32(salt)
        });
    }

    function open(ChannelConfig memory config, uint128 amount)
        internal
        returns (bytes32 channelId)
    {
        channelId = settlement.getChannelId(config);
        bytes memory data = depositData(config, amount);
        settlement.deposit(config, amount, COLLECTOR, data);
    }

    function depositData(ChannelConfig memory config, uint128 amount)
        internal
        returns (bytes memory)
    {
        return depositData(config, amount, ++depositSalt);
    }

    function depositData(ChannelConfig memory config, uint128 amount, uint256 salt)
        internal
        view
        returns (bytes memory)
    {
        bytes32 nonce = keccak256(abi.encode(settlement.getChannelId(config), salt));
        bytes32 typeHash = keccak256(
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        bytes32 structHash = keccak256(
            abi.encode(typeHash, config.payer, COLLECTOR, amount, 0, type(uint256).max, nonce)
        );
        bytes32 digest = keccak256(
            abi.encodePacked(
                hex"1901", AuthorizationToken(config.token).DOMAIN_SEPARATOR(), structHash
            )
        );
        return abi.encode(uint256(0), type(uint256).max, salt, sign(PAYER_KEY, digest));
    }

    /// What the payer signs for a deposit through Permit2.
    function permit2Digest(
        ChannelConfig memory config,
        uint256 amount,
        address spender,
        uint256 nonce,
        uint256 deadline
    ) internal view returns (bytes32) {
        bytes32 permitted = keccak256(
            abi.encode(
                keccak256("TokenPermissions(address token,uint256 amount)"), config.token, amount
            )
        );
        bytes32 witness = keccak256(
            abi.encode(
                keccak256("DepositWitness(bytes32 channelId)"), settlement.getChannelId(config)
            )
        );
        bytes32 typeHash = keccak256(
            "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,DepositWitness witness)DepositWitness(bytes32 channelId)TokenPermissions(address token,uint256 amount)"
        );
        bytes32 structHash =
            keccak256(abi.encode(typeHash, permitted, spender, nonce, deadline, witness));
        return
            keccak256(
                abi.encodePacked(hex"1901", DevPermit2(PERMIT2).DOMAIN_SEPARATOR(), structHash)
            );
    }

    function permit2Data(ChannelConfig memory config, uint128 amount, uint256 nonce)
        internal
        view
        returns (bytes memory)
    {
        bytes32 digest = permit2Digest(config, amount, PERMIT2_COLLECTOR, nonce, type(uint256).max);
        return abi.encode(nonce, type(uint256).max, sign(PAYER_KEY, digest), bytes(""));
    }

    function row(ChannelConfig memory config, uint128 ceiling, uint128 total)
        internal
        view
        returns (VoucherClaim memory)
    {
        return rowSignedBy(PAYER_AUTHORIZER_KEY, config, ceiling, total);
    }

    function rowSignedBy(uint256 key, ChannelConfig memory config, uint128 ceiling, uint128 total)
        internal
        view
        returns (VoucherClaim memory)
    {
        bytes32 digest = settlement.getVoucherDigest(settlement.getChannelId(config), ceiling);
        return VoucherClaim(Voucher(config, ceiling), sign(key, digest), total);
    }

    function rows(VoucherClaim memory only) internal pure returns (VoucherClaim[] memory list) {
        list = new VoucherClaim[](1);
        list[0] = only;
    }

    function rows(VoucherClaim memory first, VoucherClaim memory second)
        internal
        pure
        returns (VoucherClaim[] memory list)
    {
        list = new VoucherClaim[](2);
        (list[0], list[1]) = (first, second);
    }

    function claim(VoucherClaim[] memory list) internal {
        vm.prank(receiver);
        settlement.claim(list);
    }

    function claim(ChannelConfig memory config, uint128 total) internal {
        claim(rows(row(config, total, total)));
    }

    function batchSignature(uint256 key, VoucherClaim[] memory list)
        internal
        view
        returns (bytes memory)
    {
        return sign(key, settlement.getClaimBatchDigest(list));
    }

    function refundSignature(uint256 key, bytes32 channelId, uint256 nonce, uint128 amount)
        internal
        view
        returns (bytes memory)
    {
        return sign(key, settlement.getRefundDigest(channelId, nonce, amount));
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// Runs a constructor where the result is wanted.
    function deployAt(address where, bytes memory creation) internal {
        vm.etch(where, creation);
        (bool done, bytes memory runtime) = where.call("");
        vm.assertTrue(done);
        vm.etch(where, runtime);
    }

    /// How many events of one kind the escrow has emitted since vm.recordLogs().
    function emitted(bytes32 topic) internal returns (uint256 count) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == SETTLEMENT && logs[i].topics[0] == topic) ++count;
        }
    }

    function bound(uint256 value, uint256 least, uint256 most) internal pure returns (uint128) {
        return uint128(least + value % (most - least + 1));
    }

    function assertChannel(bytes32 channelId, uint128 balance, uint128 totalClaimed) internal view {
        (uint128 storedBalance, uint128 storedClaimed) = settlement.channels(channelId);
        vm.assertEq(storedBalance, balance);
        vm.assertEq(storedClaimed, totalClaimed);
    }

    function assertReceiver(address who, uint128 totalClaimed, uint128 totalSettled) internal view {
        (uint128 storedClaimed, uint128 storedSettled) = settlement.receivers(who, address(token));
        vm.assertEq(storedClaimed, totalClaimed);
        vm.assertEq(storedSettled, totalSettled);
    }

    function assertPending(bytes32 channelId, uint128 amount, uint256 initiatedAt) internal view {
        (uint128 storedAmount, uint40 storedInitiatedAt) = settlement.pendingWithdrawals(channelId);
        vm.assertEq(storedAmount, amount);
        vm.assertEq(storedInitiatedAt, initiatedAt);
    }
}

/// The scene, set anew for every test.
abstract contract Fixture is Scene {
    function setUp() public virtual {
        prepare();
    }
}

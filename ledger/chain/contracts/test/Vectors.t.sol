// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Errors} from "@openzeppelin/contracts/utils/Errors.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {BatchSettlement} from "../src/BatchSettlement.sol";
import {DevPermit2} from "../src/DevPermit2.sol";
import {ChannelConfig, IBatchSettlement, Voucher, VoucherClaim} from "../src/IBatchSettlement.sol";
import {AllowanceCollector} from "./Collectors.sol";
import {Scene} from "./Fixture.sol";
import {NamedToken} from "./Tokens.sol";
import {vm} from "./Vm.sol";

/// The published ABI: every selector and topic.
contract InterfaceTest is Scene {
    function test_functions() public view {
        _same(settlement.CHANNEL_CONFIG_TYPEHASH.selector, 0x8e4a68ac);
        _same(settlement.CLAIM_BATCH_TYPEHASH.selector, 0x53ab0fae);
        _same(settlement.CLAIM_ENTRY_TYPEHASH.selector, 0xba94ec0d);
        _same(settlement.MAX_WITHDRAW_DELAY.selector, 0x1fc3277d);
        _same(settlement.MIN_WITHDRAW_DELAY.selector, 0xae159439);
        _same(settlement.REFUND_TYPEHASH.selector, 0x1e69ef40);
        _same(settlement.VOUCHER_TYPEHASH.selector, 0x94739e87);
        _same(settlement.channels.selector, 0x7a7ebd7b);
        _same(BatchSettlement.claim.selector, 0x29237b0c);
        _same(BatchSettlement.claimWithSignature.selector, 0xe43ce1f2);
        _same(BatchSettlement.deposit.selector, 0x140f1e75);
        _same(IERC5267.eip712Domain.selector, 0x84b0196e);
        _same(BatchSettlement.finalizeWithdraw.selector, 0xe88377b1);
        _same(BatchSettlement.getChannelId.selector, 0x5e5e0b87);
        _same(BatchSettlement.getClaimBatchDigest.selector, 0x488ccc3b);
        _same(BatchSettlement.getRefundDigest.selector, 0xe25cf189);
        _same(BatchSettlement.getVoucherDigest.selector, 0x862bb199);
        _same(BatchSettlement.initiateWithdraw.selector, 0xcf5cf3dc);
        _same(settlement.multicall.selector, 0xac9650d8);
        _same(settlement.pendingWithdrawals.selector, 0xb7f06ebe);
        _same(settlement.receivers.selector, 0x21ff6389);
        _same(BatchSettlement.refund.selector, 0xdce4bfae);
        _same(settlement.refundNonce.selector, 0xf0dc792e);
        _same(BatchSettlement.refundWithSignature.selector, 0xb77433e9);
        _same(BatchSettlement.settle.selector, 0x9db32a8f);
    }

    function test_events() public pure {
        vm.assertEq(
            IBatchSettlement.ChannelClosed.selector,
            0x8d5942f197f362dfd44dfdc1b0b7a9721c9151b67f55817c83349271d3c08d37
        );
        vm.assertEq(
            IBatchSettlement.ChannelCreated.selector,
            0x69d8248d5566bdb2ebc4d218970710d8378a2ff9b709a999e052b71970f808fa
        );
        vm.assertEq(
            IBatchSettlement.Claimed.selector,
            0x36bd546bb573e8921fdbfd934bbed62d872796b01792cd240cce27f79dd3eddd
        );
        vm.assertEq(
            IBatchSettlement.Deposited.selector,
            0x6c2a09353b5e75e70d0b9778b80a413809bb235d46c211811c474b3346791d89
        );
        vm.assertEq(
            IERC5267.EIP712DomainChanged.selector,
            0x0a6387c9ea3628b88a633bb4f3b151770f70085117a15f9bf3787cda53f13d31
        );
        vm.assertEq(
            IBatchSettlement.Refunded.selector,
            0xa84286cf8ebc7903a663c77c8d99aa92b600d4c2fcca872a5d4a663db4eb394b
        );
        vm.assertEq(
            IBatchSettlement.Settled.selector,
            0x7337b4386b690fdb8ba66905b92b9d45d33bc6626ee2620c905fb150ec0cc47d
        );
        vm.assertEq(
            IBatchSettlement.WithdrawFinalized.selector,
            0x546ce1e2242cd930c196bd08b894443562d709b4fffe4f028a75a6d233efc6e3
        );
        vm.assertEq(
            IBatchSettlement.WithdrawInitiated.selector,
            0xe4280d0d903c7f258f62b07c62f262377cbaa23f7791d78126e6446e0f0e3c23
        );
    }

    function test_errors() public pure {
        _same(Address.AddressEmptyCode.selector, 0x9996b315);
        _same(IBatchSettlement.ClaimExceedsBalance.selector, 0x7d8242b6);
        _same(IBatchSettlement.ClaimExceedsCeiling.selector, 0xf1789775);
        _same(IBatchSettlement.DepositCollectionFailed.selector, 0xeb43592c);
        _same(IBatchSettlement.DepositOverflow.selector, 0x1132981b);
        _same(ECDSA.ECDSAInvalidSignature.selector, 0xf645eedf);
        _same(ECDSA.ECDSAInvalidSignatureLength.selector, 0xfce698f7);
        _same(ECDSA.ECDSAInvalidSignatureS.selector, 0xd78bce0c);
        _same(IBatchSettlement.EmptyBatch.selector, 0xc2e5347d);
        _same(Errors.FailedCall.selector, 0xd6bda275);
        _same(IBatchSettlement.InvalidChannel.selector, 0xea3a9a39);
        _same(IBatchSettlement.InvalidCollector.selector, 0x18b1afd4);
        _same(IBatchSettlement.InvalidRefundNonce.selector, 0x164f1afe);
        _same(IBatchSettlement.InvalidShortString.selector, 0xb3512b0c);
        _same(IBatchSettlement.InvalidSignature.selector, 0x8baa579f);
        _same(IBatchSettlement.NotAuthorizedToClaim.selector, 0xdefb7069);
        _same(IBatchSettlement.NotAuthorizedToFinalizeWithdraw.selector, 0x15f969d5);
        _same(IBatchSettlement.NotAuthorizedToRefund.selector, 0x7864f008);
        _same(IBatchSettlement.NotReceiverAuthorizer.selector, 0xf5e2237d);
        _same(IBatchSettlement.NothingToWithdraw.selector, 0xd0d04f60);
        _same(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector, 0x3ee5aeb5);
        _same(SafeERC20.SafeERC20FailedOperation.selector, 0x5274afe7);
        _same(IBatchSettlement.StringTooLong.selector, 0x305a27a9);
        _same(IBatchSettlement.WithdrawAmountExceedsAvailable.selector, 0x6d3d5764);
        _same(IBatchSettlement.WithdrawDelayNotElapsed.selector, 0xf3965827);
        _same(IBatchSettlement.WithdrawDelayOutOfRange.selector, 0x4574fab6);
        _same(IBatchSettlement.WithdrawalAlreadyPending.selector, 0xa2aed0f0);
        _same(IBatchSettlement.WithdrawalNotPending.selector, 0x3a0a1ca6);
        _same(IBatchSettlement.ZeroDeposit.selector, 0x56316e87);
        _same(IBatchSettlement.ZeroRefund.selector, 0xd758525c);
    }

    function _same(bytes4 left, bytes4 right) private pure {
        vm.assertEq(bytes32(left), bytes32(right));
    }
}

/// Digests and signatures made by an independent library for the canonical address on Base Sepolia.
contract SettlementVectorsTest is Scene {
    uint256 private constant BASE_SEPOLIA = 84532;
    uint256 private constant BASE = 8453;
    address private constant PAYER = 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266;
    address private constant PAYER_AUTHORIZER = 0x70997970C51812dc3A010C7d01b50e0d17dc79C8;
    address private constant RECEIVER = 0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc;
    address private constant RECEIVER_AUTHORIZER = 0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC;
    address private constant TOKEN = 0x036CbD53842c5426634e7929541eC2318f3dCF7e;
    bytes32 private constant FIRST_ID =
        0x4c424a9a23ed7482a0135b208be466b871f83ca8223a7e4fd5a884601987d5be;
    bytes32 private constant SECOND_ID =
        0x4ace39658a6bc72d2a095afd8aadb205de5c9cfe403117332feac1beb95e4c23;

    function setUp() public {
        prepare();
        vm.chainId(BASE_SEPOLIA);
    }

    function test_typeHashes() public view {
        vm.assertEq(
            settlement.VOUCHER_TYPEHASH(),
            0x1e1bd6ff84c3e0d9029a292b212e039c0ca97ec497c55191a4a5874294609a69
        );
        vm.assertEq(
            settlement.REFUND_TYPEHASH(),
            0xbe23ad087435072cd69b49cc5b92de10ee610fce7ae0ab428307972d764bb216
        );
        vm.assertEq(
            settlement.CLAIM_BATCH_TYPEHASH(),
            0x42bd57c010b870c2e96203c66341f28a6a19b4d56a74533a8eb5f706b9fd6d57
        );
        vm.assertEq(
            settlement.CLAIM_ENTRY_TYPEHASH(),
            keccak256(
                "ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)"
            )
        );
        vm.assertEq(
            settlement.CHANNEL_CONFIG_TYPEHASH(),
            keccak256(
                "ChannelConfig(address payer,address payerAuthorizer,address receiver,address receiverAuthorizer,address token,uint40 withdrawDelay,bytes32 salt)"
            )
        );
    }

    function test_domain() public view {
        (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        ) = settlement.eip712Domain();
        vm.assertEq(bytes32(fields), bytes32(hex"0f"));
        vm.assertEq(name, "x402 Batch Settlement");
        vm.assertEq(version, "1");
        vm.assertEq(chainId, BASE_SEPOLIA);
        vm.assertEq(verifyingContract, SETTLEMENT);
        vm.assertEq(salt, 0);
        vm.assertEq(extensions.length, 0);
    }

    function test_channelIds() public {
        vm.assertEq(settlement.getChannelId(_first()), FIRST_ID);
        vm.assertEq(settlement.getChannelId(_second()), SECOND_ID);
        vm.chainId(BASE);
        vm.assertEq(
            settlement.getChannelId(_first()),
            0x947333c1fcabe054a392dbfbb6a5610e0cb238615728fde68ee5ed71cb8e067d
        );
        vm.assertEq(
            settlement.getChannelId(_second()),
            0x3f5636f0eaf313f76e80cb81cd3275040f2d34e328acab77306fe424837922ff
        );
    }

    function test_voucherDigests() public view {
        vm.assertEq(
            settlement.getVoucherDigest(FIRST_ID, 0),
            0xb78e7ad4d670d4764642d475c0e1b69e2a247ec4c0e449831eff60686ea0b428
        );
        vm.assertEq(
            settlement.getVoucherDigest(FIRST_ID, 1),
            0x6b17e8dd7d1663190126b5c59483b95b1fe8a063f30a2c9539c606903b1ab4fa
        );
        vm.assertEq(
            settlement.getVoucherDigest(FIRST_ID, 1000),
            0x5c692aaee98b820213004b2bcacf263520a2197478c1759581e26b2d838c942c
        );
        vm.assertEq(
            settlement.getVoucherDigest(FIRST_ID, type(uint128).max),
            0x65fa486202cd008bb391571a5ac5d1b229d22625d6b37dd281da84c0bacfefdd
        );
        vm.assertEq(
            settlement.getVoucherDigest(SECOND_ID, 5000),
            0x551c0465a6fb104de377a9afef7fd8708021393a668a776f7b3c46e0261887a8
        );
    }

    function test_refundDigest() public view {
        vm.assertEq(
            settlement.getRefundDigest(FIRST_ID, 0, 1500),
            0x2bd082ee5cc7aea43814b8299cfd1faf51ffd080d5e4cc51b8bcbc7dbdcab8ea
        );
    }

    function test_claimBatchDigests() public view {
        vm.assertEq(
            settlement.getClaimBatchDigest(_claims()),
            0xc404c4a829a5836e14e9d8fa12fc7019b18e280ce32de1f425fa4108bb4b0b18
        );
        vm.assertEq(
            settlement.getClaimBatchDigest(new VoucherClaim[](0)),
            0x57b970b91bd540b4ca1aa82be12adbc9b769b6e978e5285b2a859bd989304e9a
        );
    }

    /// Calldata and signatures of others, from the deposit to the payout.
    function test_wholeLifeOfAChannel() public {
        vm.warp(1_760_000_000);
        bytes memory creation = abi.encodePacked(
            type(NamedToken).creationCode, abi.encode("USDC", "2", PAYER, 200_000)
        );
        deployAt(TOKEN, creation);
        AllowanceCollector collector = new AllowanceCollector();
        vm.prank(PAYER);
        NamedToken(TOKEN).approve(address(collector), 5000);
        settlement.deposit(_second(), 5000, address(collector), abi.encode(5000));

        _send(DEPOSIT_CALLDATA);
        assertChannel(FIRST_ID, 100_000, 0);
        _send(CLAIM_CALLDATA);
        assertChannel(FIRST_ID, 100_000, 700);
        assertChannel(SECOND_ID, 5000, 5000);
        _send(REFUND_CALLDATA);
        assertChannel(FIRST_ID, 98_500, 700);
        _send(SETTLE_CALLDATA);
        vm.assertEq(NamedToken(TOKEN).balanceOf(RECEIVER), 5700);
        vm.assertEq(NamedToken(TOKEN).balanceOf(PAYER), 200_000 - 105_000 + 1500);
        vm.assertEq(NamedToken(TOKEN).balanceOf(SETTLEMENT), 98_500 - 700);
    }

    /// A deposit through Permit2 whose signature and collector data are others' work.
    function test_permit2Deposit() public {
        vm.warp(1_760_000_000);
        deployAt(
            TOKEN,
            abi.encodePacked(type(NamedToken).creationCode, abi.encode("USDC", "2", PAYER, 200_000))
        );
        vm.prank(PAYER);
        NamedToken(TOKEN).approve(PERMIT2, 100_000);
        vm.assertEq(
            DevPermit2(PERMIT2).DOMAIN_SEPARATOR(),
            0x010f27a92fb9a32622f44f001dc4d15706a85b33499cfc2ce9033113ab26592c
        );
        vm.assertEq(
            permit2Digest(_first(), 100_000, PERMIT2_COLLECTOR, 7, 1_770_000_000),
            0x9a98e21fcd2770e247b91cbac9b66a8cf1395fe4fcb05dc5221c2f11313908eb
        );
        settlement.deposit(_first(), 100_000, PERMIT2_COLLECTOR, PERMIT2_COLLECTOR_DATA);
        assertChannel(FIRST_ID, 100_000, 0);
    }

    /// The structs' hashes, worked out word by word.
    function testFuzz_channelIdIsTheTypedDataDigest(ChannelConfig calldata config, uint64 chainId)
        public
    {
        vm.chainId(chainId);
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("x402 Batch Settlement"),
                keccak256("1"),
                uint256(chainId),
                SETTLEMENT
            )
        );
        bytes32 structHash = keccak256(
            bytes.concat(
                abi.encode(
                    settlement.CHANNEL_CONFIG_TYPEHASH(),
                    config.payer,
                    config.payerAuthorizer,
                    config.receiver
                ),
                abi.encode(
                    config.receiverAuthorizer, config.token, config.withdrawDelay, config.salt
                )
            )
        );
        vm.assertEq(
            settlement.getChannelId(config),
            keccak256(abi.encodePacked(hex"1901", domain, structHash))
        );
    }

    function _send(bytes memory data) private {
        (bool done,) = SETTLEMENT.call(data);
        vm.assertTrue(done);
    }

    function _first() private pure returns (ChannelConfig memory) {
        return ChannelConfig(PAYER, PAYER_AUTHORIZER, RECEIVER, RECEIVER_AUTHORIZER, TOKEN, 900, 0);
    }

    function _second() private pure returns (ChannelConfig memory) {
        bytes32 salt = 0x1111111111111111111111111111111111111111111111111111111111111111;
        return ChannelConfig(PAYER, address(0), RECEIVER, RECEIVER_AUTHORIZER, TOKEN, 900, salt);
    }

    function _claims() private pure returns (VoucherClaim[] memory) {
        return rows(
            VoucherClaim(Voucher(_first(), 1000), "", 700),
            VoucherClaim(Voucher(_second(), 5000), "", 5000)
        );
    }

    bytes private constant DEPOSIT_CALLDATA =
        hex"140f1e75000000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb9226600000000000000000000000070997970c51812dc3a010c7d01b50e0d17dc79c80000000000000000000000009965507d1a55bcc2695c58ba16fb37d819b0a4dc0000000000000000000000003c44cdddb6a900fa2b585dd299e03d12fa4293bc000000000000000000000000036cbd53842c5426634e7929541ec2318f3dcf7e0000000000000000000000000000000000000000000000000000000000000384000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000186a00000000000000000000000004020806089470a89826cb9fb1f4059150b5500040000000000000000000000000000000000000000000000000000000000000140000000000000000000000000000000000000000000000000000000000000010000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000069800e80000000000000000000000000000000000000000000000000000000000000002a000000000000000000000000000000000000000000000000000000000000008000000000000000000000000000000000000000000000000000000000000000414187d1e49725ab0eae5a0d5c586f0882267eb681c7ec183a8c9d609baa6eddaf1e0ba9f10fc82effeccac883395607e36e4f8a070c604bc15efb53b60bb317161b00000000000000000000000000000000000000000000000000000000000000";
    bytes private constant PERMIT2_COLLECTOR_DATA =
        hex"00000000000000000000000000000000000000000000000000000000000000070000000000000000000000000000000000000000000000000000000069800e8000000000000000000000000000000000000000000000000000000000000000800000000000000000000000000000000000000000000000000000000000000100000000000000000000000000000000000000000000000000000000000000004180ebef14c8ed50ee74688b66d4d287df56281dcbdffe1b218fbc9037fc087fa74856dc2e0bb111c01f4698f7fae1625537745db1ffeb2ab048c1b724de64bb3a1b000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000";
    bytes private constant CLAIM_CALLDATA =
        hex"e43ce1f200000000000000000000000000000000000000000000000000000000000000400000000000000000000000000000000000000000000000000000000000000420000000000000000000000000000000000000000000000000000000000000000200000000000000000000000000000000000000000000000000000000000000400000000000000000000000000000000000000000000000000000000000000200000000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb9226600000000000000000000000070997970c51812dc3a010c7d01b50e0d17dc79c80000000000000000000000009965507d1a55bcc2695c58ba16fb37d819b0a4dc0000000000000000000000003c44cdddb6a900fa2b585dd299e03d12fa4293bc000000000000000000000000036cbd53842c5426634e7929541ec2318f3dcf7e0000000000000000000000000000000000000000000000000000000000000384000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000003e8000000000000000000000000000000000000000000000000000000000000014000000000000000000000000000000000000000000000000000000000000002bc000000000000000000000000000000000000000000000000000000000000004167738a01e09605e078db20fc508aaf82fe77e26f6962fc088701f7f5768f250d2351c403b5220dd400832009086a0600e1360aa571986a6d73ec480aae088c351b00000000000000000000000000000000000000000000000000000000000000000000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb9226600000000000000000000000000000000000000000000000000000000000000000000000000000000000000009965507d1a55bcc2695c58ba16fb37d819b0a4dc0000000000000000000000003c44cdddb6a900fa2b585dd299e03d12fa4293bc000000000000000000000000036cbd53842c5426634e7929541ec2318f3dcf7e00000000000000000000000000000000000000000000000000000000000003841111111111111111111111111111111111111111111111111111111111111111000000000000000000000000000000000000000000000000000000000000138800000000000000000000000000000000000000000000000000000000000001400000000000000000000000000000000000000000000000000000000000001388000000000000000000000000000000000000000000000000000000000000004183f539ae45df6309e9776fde857ceaee9c37c30c08fabba9c3f79accc758819b64898479c72ff5e6218036d792c30eb387b830bd0afce7e5febeb1c217945b341b00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000004135c5911efe47a878464b386d7f770088e7424efee42a3440928696b631de420e7481166359ddbfedd670636c9117b84a94855a92a19a63bc35af7fb878ea66141b00000000000000000000000000000000000000000000000000000000000000";
    bytes private constant REFUND_CALLDATA =
        hex"b77433e9000000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb9226600000000000000000000000070997970c51812dc3a010c7d01b50e0d17dc79c80000000000000000000000009965507d1a55bcc2695c58ba16fb37d819b0a4dc0000000000000000000000003c44cdddb6a900fa2b585dd299e03d12fa4293bc000000000000000000000000036cbd53842c5426634e7929541ec2318f3dcf7e0000000000000000000000000000000000000000000000000000000000000384000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000005dc000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001400000000000000000000000000000000000000000000000000000000000000041b346c64a2e30884b6e2e62c46bf70ad63ea5977f31fe1db793796a4f4b8cf4fc1a41b12a1f3845d487c6c4e9da66af653f6f8c77297ed88682c02f3b03b695881c00000000000000000000000000000000000000000000000000000000000000";
    bytes private constant SETTLE_CALLDATA =
        hex"9db32a8f0000000000000000000000009965507d1a55bcc2695c58ba16fb37d819b0a4dc000000000000000000000000036cbd53842c5426634e7929541ec2318f3dcf7e";
}

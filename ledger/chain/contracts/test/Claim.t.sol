// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {BatchSettlement} from "../src/BatchSettlement.sol";
import {ChannelConfig, IBatchSettlement, VoucherClaim} from "../src/IBatchSettlement.sol";
import {Fixture} from "./Fixture.sol";
import {HostileToken} from "./Tokens.sol";
import {vm} from "./Vm.sol";
import {Wallet} from "./Wallet.sol";

contract ClaimTest is Fixture {
    function test_raisesTheTotalsAndMovesNoMoney() public {
        ChannelConfig memory config = channel(1);
        bytes32 channelId = open(config, 500);
        VoucherClaim[] memory list = rows(row(config, 300, 200));

        vm.expectEmit(SETTLEMENT);
        emit IBatchSettlement.Claimed(channelId, receiver, 200, 200);
        claim(list);

        assertChannel(channelId, 500, 200);
        assertReceiver(receiver, 200, 0);
        vm.assertEq(token.balanceOf(SETTLEMENT), 500);
    }

    function test_secondClaimAddsTheDifference() public {
        ChannelConfig memory config = channel(1);
        bytes32 channelId = open(config, 500);
        claim(config, 200);
        VoucherClaim[] memory list = rows(row(config, 500, 500));

        vm.expectEmit(SETTLEMENT);
        emit IBatchSettlement.Claimed(channelId, receiver, 300, 500);
        claim(list);

        assertChannel(channelId, 500, 500);
        assertReceiver(receiver, 500, 0);
    }

    function test_receiverAuthorizerMayClaim() public {
        ChannelConfig memory config = channel(1);
        bytes32 channelId = open(config, 500);
        VoucherClaim[] memory list = rows(row(config, 1, 1));
        vm.prank(receiverAuthorizer);
        settlement.claim(list);
        assertChannel(channelId, 500, 1);
    }

    function test_nobodyElseMayClaim() public {
        open(channel(1), 500);
        VoucherClaim[] memory list = rows(row(channel(1), 1, 1));
        _refused(stranger, list, IBatchSettlement.NotAuthorizedToClaim.selector);
        _refused(payer, list, IBatchSettlement.NotAuthorizedToClaim.selector);
    }

    function test_everyRowMustBeTheCallers() public {
        ChannelConfig memory other = channel(2);
        (other.receiver, other.receiverAuthorizer) = (stranger, stranger);
        open(channel(1), 500);
        open(other, 500);
        VoucherClaim[] memory list = rows(row(channel(1), 1, 1), row(other, 1, 1));
        _refused(receiver, list, IBatchSettlement.NotAuthorizedToClaim.selector);
        _refused(stranger, list, IBatchSettlement.NotAuthorizedToClaim.selector);
    }

    function test_refusesAnEmptyBatch() public {
        VoucherClaim[] memory none;
        _refused(receiver, none, IBatchSettlement.EmptyBatch.selector);
        vm.expectRevert(IBatchSettlement.EmptyBatch.selector);
        settlement.claimWithSignature(none, "");
    }

    function test_staleRowIsSkippedBeforeItsSignatureIsLookedAt() public {
        ChannelConfig memory config = channel(1);
        bytes32 channelId = open(config, 500);
        bytes32 freshId = open(channel(2), 500);
        claim(config, 200);
        VoucherClaim memory stale = rowSignedBy(STRANGER_KEY, config, 100, 200);
        stale.signature = hex"00";
        VoucherClaim[] memory list = rows(stale, row(channel(2), 50, 50));

        vm.recordLogs();
        claim(list);

        vm.assertEq(emitted(IBatchSettlement.Claimed.selector), 1);
        assertChannel(channelId, 500, 200);
        assertChannel(freshId, 500, 50);
        assertReceiver(receiver, 250, 0);
    }

    function test_zeroOnAChannelThatNeverWasIsSkipped() public {
        claim(rows(row(channel(1), 0, 0)));
        assertReceiver(receiver, 0, 0);
    }

    function test_refusesMoreThanTheVoucher() public {
        open(channel(1), 500);
        _badRow(row(channel(1), 199, 200), IBatchSettlement.ClaimExceedsCeiling.selector);
    }

    function test_refusesMoreThanTheBalance() public {
        open(channel(1), 500);
        _badRow(row(channel(1), 501, 501), IBatchSettlement.ClaimExceedsBalance.selector);
    }

    function test_refusesAChannelThatNeverWas() public {
        _badRow(row(channel(1), 1, 1), IBatchSettlement.ClaimExceedsBalance.selector);
    }

    function test_refusesAnotherSigner() public {
        open(channel(1), 500);
        _badRow(
            rowSignedBy(STRANGER_KEY, channel(1), 1, 1), IBatchSettlement.InvalidSignature.selector
        );
        _badRow(
            rowSignedBy(PAYER_KEY, channel(1), 1, 1), IBatchSettlement.InvalidSignature.selector
        );
    }

    function test_refusesAVoucherOfAnotherChannelOrCeiling() public {
        open(channel(1), 500);
        open(channel(2), 500);
        VoucherClaim memory other = row(channel(1), 100, 100);
        other.voucher.channel = channel(2);
        _badRow(other, IBatchSettlement.InvalidSignature.selector);
        VoucherClaim memory raised = row(channel(1), 100, 100);
        raised.voucher.maxClaimableAmount = 101;
        _badRow(raised, IBatchSettlement.InvalidSignature.selector);
    }

    function test_refusesMalformedSignatures() public {
        open(channel(1), 500);
        VoucherClaim memory bad = row(channel(1), 100, 100);
        bytes memory good = bad.signature;

        bad.signature = abi.encodePacked(good, hex"00");
        _badRow(bad, abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureLength.selector, 66));
        bad.signature = "";
        _badRow(bad, abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureLength.selector, 0));
        bad.signature = abi.encodePacked(good);
        bad.signature[64] = bytes1(uint8(2));
        _badRow(bad, abi.encodeWithSelector(ECDSA.ECDSAInvalidSignature.selector));

        (bytes memory twin, bytes32 highS) = _twin(good);
        bad.signature = twin;
        _badRow(bad, abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureS.selector, highS));
    }

    function test_oneBadRowRevertsTheWholeBatch() public {
        bytes32 channelId = open(channel(1), 500);
        open(channel(2), 500);
        VoucherClaim[] memory list =
            rows(row(channel(1), 10, 10), rowSignedBy(STRANGER_KEY, channel(2), 10, 10));
        _refused(receiver, list, IBatchSettlement.InvalidSignature.selector);
        assertChannel(channelId, 500, 0);
        assertReceiver(receiver, 0, 0);
    }

    function test_oneChannelTwiceInABatch() public {
        bytes32 channelId = open(channel(1), 500);
        claim(rows(row(channel(1), 10, 10), row(channel(1), 30, 25)));
        assertChannel(channelId, 500, 25);
        assertReceiver(receiver, 25, 0);
    }

    function test_rowsOfManyReceiversAndTokensAreCreditedApart() public {
        HostileToken second = new HostileToken(payer, 1000);
        VoucherClaim[] memory list = new VoucherClaim[](5);
        for (uint256 i = 0; i < list.length; ++i) {
            ChannelConfig memory config = channel(i);
            if (i == 1 || i == 4) config.receiver = stranger;
            if (i == 2) config.token = address(second);
            open(config, 100);
            list[i] = row(config, 100, uint128(10 ** i % 99));
        }
        vm.prank(receiverAuthorizer);
        settlement.claim(list);

        assertReceiver(receiver, 1 + 10, 0);
        assertReceiver(stranger, 10 + 1, 0);
        (uint128 claimed,) = settlement.receivers(receiver, address(second));
        vm.assertEq(claimed, 1);
    }

    function test_payerWithoutAuthorizerSignsItself() public {
        ChannelConfig memory config = channel(1);
        config.payerAuthorizer = address(0);
        bytes32 channelId = open(config, 500);
        _badRow(
            rowSignedBy(PAYER_AUTHORIZER_KEY, config, 9, 9),
            IBatchSettlement.InvalidSignature.selector
        );
        claim(rows(rowSignedBy(PAYER_KEY, config, 9, 9)));
        assertChannel(channelId, 500, 9);
    }

    function test_smartWalletPayerSigns() public {
        ChannelConfig memory config = channel(1);
        Wallet wallet = new Wallet(payer);
        (config.payer, config.payerAuthorizer) = (address(wallet), address(0));
        vm.prank(payer);
        token.transfer(address(wallet), 500);
        bytes32 channelId = open(config, 500);

        claim(rows(rowSignedBy(PAYER_KEY, config, 9, 9)));
        assertChannel(channelId, 500, 9);
        wallet.close();
        _badRow(rowSignedBy(PAYER_KEY, config, 10, 10), IBatchSettlement.InvalidSignature.selector);
    }

    function test_payerAuthorizerIsABareKeyEvenIfItHasCode() public {
        ChannelConfig memory config = channel(1);
        config.payerAuthorizer = address(new Wallet(payer));
        open(config, 500);
        _badRow(rowSignedBy(PAYER_KEY, config, 9, 9), IBatchSettlement.InvalidSignature.selector);
    }

    function test_anyoneMayBringASignedBatch() public {
        bytes32 channelId = open(channel(1), 500);
        bytes32 otherId = open(channel(2), 500);
        VoucherClaim[] memory list = rows(row(channel(1), 10, 10), row(channel(2), 20, 20));
        bytes memory signature = batchSignature(RECEIVER_AUTHORIZER_KEY, list);

        vm.expectEmit(SETTLEMENT);
        emit IBatchSettlement.Claimed(channelId, RELAYER, 10, 10);
        vm.expectEmit(SETTLEMENT);
        emit IBatchSettlement.Claimed(otherId, RELAYER, 20, 20);
        vm.prank(RELAYER);
        settlement.claimWithSignature(list, signature);
        assertReceiver(receiver, 30, 0);
    }

    function test_signedBatchMayBeRepeatedInVain() public {
        bytes32 channelId = open(channel(1), 500);
        VoucherClaim[] memory list = rows(row(channel(1), 10, 10));
        bytes memory signature = batchSignature(RECEIVER_AUTHORIZER_KEY, list);
        settlement.claimWithSignature(list, signature);
        settlement.claimWithSignature(list, signature);
        assertChannel(channelId, 500, 10);
        assertReceiver(receiver, 10, 0);
    }

    function test_refusesABatchSignedByAnotherOrChanged() public {
        open(channel(1), 500);
        VoucherClaim[] memory list = rows(row(channel(1), 10, 10));
        bytes memory signature = batchSignature(RECEIVER_KEY, list);
        vm.expectRevert(IBatchSettlement.InvalidSignature.selector);
        settlement.claimWithSignature(list, signature);

        signature = batchSignature(RECEIVER_AUTHORIZER_KEY, list);
        list[0].totalClaimed = 9;
        vm.expectRevert(IBatchSettlement.InvalidSignature.selector);
        settlement.claimWithSignature(list, signature);
        vm.expectRevert(IBatchSettlement.InvalidSignature.selector);
        settlement.claimWithSignature(list, "");
    }

    function test_refusesABatchOfTwoAuthorizers() public {
        ChannelConfig memory other = channel(2);
        other.receiverAuthorizer = stranger;
        open(channel(1), 500);
        open(other, 500);
        VoucherClaim[] memory list = rows(row(channel(1), 10, 10), row(other, 10, 10));
        bytes memory signature = batchSignature(RECEIVER_AUTHORIZER_KEY, list);
        vm.expectRevert(IBatchSettlement.NotReceiverAuthorizer.selector);
        settlement.claimWithSignature(list, signature);
    }

    function test_signedBatchMayPayManyReceivers() public {
        ChannelConfig memory other = channel(2);
        other.receiver = stranger;
        open(channel(1), 500);
        open(other, 500);
        VoucherClaim[] memory list = rows(row(channel(1), 10, 10), row(other, 20, 20));
        settlement.claimWithSignature(list, batchSignature(RECEIVER_AUTHORIZER_KEY, list));
        assertReceiver(receiver, 10, 0);
        assertReceiver(stranger, 20, 0);
    }

    function test_smartWalletAuthorizesABatch() public {
        Wallet wallet = new Wallet(receiver);
        ChannelConfig memory config = channel(1);
        config.receiverAuthorizer = address(wallet);
        bytes32 channelId = open(config, 500);
        VoucherClaim[] memory list = rows(row(config, 10, 10));
        bytes memory signature = batchSignature(RECEIVER_KEY, list);
        settlement.claimWithSignature(list, signature);
        assertChannel(channelId, 500, 10);

        wallet.close();
        vm.expectRevert(IBatchSettlement.InvalidSignature.selector);
        settlement.claimWithSignature(list, signature);
    }

    /// Words that are not addresses would make a second id for the same terms.
    function test_refusesAnUncleanEncoding() public {
        open(channel(1), 500);
        bytes memory data = abi.encodeCall(BatchSettlement.getChannelId, (channel(1)));
        (bool answered,) = SETTLEMENT.call(data);
        vm.assertTrue(answered);
        data[4] = 0x01;
        (answered,) = SETTLEMENT.call(data);
        vm.assertTrue(!answered);
    }

    function testFuzz_followsTheRulesInOrder(
        uint256 balance,
        uint256 ceiling,
        uint256 first,
        uint256 second
    ) public {
        balance = bound(balance, 1, 1000);
        ceiling = bound(ceiling, 0, 1200);
        first = bound(first, 0, balance);
        second = bound(second, 0, 1200);
        bytes32 channelId = open(channel(1), uint128(balance));
        claim(channel(1), uint128(first));
        VoucherClaim[] memory list = rows(row(channel(1), uint128(ceiling), uint128(second)));

        bool moves = second > first;
        bytes4 refusal = !moves
            ? bytes4(0)
            : second > ceiling
                ? IBatchSettlement.ClaimExceedsCeiling.selector
                : second > balance ? IBatchSettlement.ClaimExceedsBalance.selector : bytes4(0);
        vm.prank(receiver);
        if (refusal != 0) vm.expectRevert(refusal);
        settlement.claim(list);

        uint128 total = uint128(moves && refusal == 0 ? second : first);
        assertChannel(channelId, uint128(balance), total);
        assertReceiver(receiver, total, 0);
    }

    function _badRow(VoucherClaim memory bad, bytes4 reason) private {
        _badRow(bad, abi.encodeWithSelector(reason));
    }

    function _badRow(VoucherClaim memory bad, bytes memory reason) private {
        VoucherClaim[] memory list = rows(bad);
        bytes memory signature = batchSignature(RECEIVER_AUTHORIZER_KEY, list);
        vm.prank(receiver);
        vm.expectRevert(reason);
        settlement.claim(list);
        vm.expectRevert(reason);
        settlement.claimWithSignature(list, signature);
    }

    function _refused(address sender, VoucherClaim[] memory list, bytes4 reason) private {
        vm.prank(sender);
        vm.expectRevert(reason);
        settlement.claim(list);
    }

    /// The other signature of the same message by the same key, which must not count.
    function _twin(bytes memory signature) private pure returns (bytes memory, bytes32 highS) {
        (bytes32 r, bytes32 s) = abi.decode(signature, (bytes32, bytes32));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        highS = bytes32(order - uint256(s));
        return
            (abi.encodePacked(r, highS, signature[64] == 0x1b ? bytes1(0x1c) : bytes1(0x1b)), highS);
    }
}

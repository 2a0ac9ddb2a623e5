// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ChannelConfig, IBatchSettlement, Voucher, VoucherClaim} from "../src/IBatchSettlement.sol";
import {Fixture} from "./Fixture.sol";
import {TwoOwnerWallet} from "./TwoOwnerWallet.sol";
import {vm} from "./Vm.sol";

contract TwoOwnerWalletTest is Fixture {
    function test_itsVoucherIsClaimedAndAHalfSignedOneIsNot() public {
        TwoOwnerWallet wallet = new TwoOwnerWallet(payer, stranger);
        ChannelConfig memory config = channel(1);
        config.payer = address(wallet);
        config.payerAuthorizer = address(0);
        vm.prank(payer);
        token.transfer(address(wallet), 100);
        wallet.approve(address(token), PERMIT2);
        bytes32 digest =
            permit2Digest(config, 100, PERMIT2_COLLECTOR, 1, type(uint256).max);
        bytes memory data = abi.encode(uint256(1), type(uint256).max, _signed(digest), bytes(""));
        settlement.deposit(config, 100, PERMIT2_COLLECTOR, data);

        bytes32 channelId = settlement.getChannelId(config);
        digest = settlement.getVoucherDigest(channelId, 60);
        VoucherClaim memory half =
            VoucherClaim(Voucher(config, 60), sign(PAYER_KEY, digest), 60);
        vm.prank(receiver);
        vm.expectRevert(IBatchSettlement.InvalidSignature.selector);
        settlement.claim(rows(half));
        claim(rows(VoucherClaim(Voucher(config, 60), _signed(digest), 60)));
        assertChannel(channelId, 100, 60);
    }

    function _signed(bytes32 digest) private pure returns (bytes memory) {
        return bytes.concat(sign(PAYER_KEY, digest), sign(STRANGER_KEY, digest));
    }
}

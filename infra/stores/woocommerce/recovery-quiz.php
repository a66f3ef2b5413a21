<?php
/**
 * Plugin Name: Recovery Quiz
 * Description: Shows the recovery quiz on product pages and saves its visit with the order. Shortcode: [recovery_quiz].
 * Version: 1.0.0
 * Requires PHP: 7.4
 * License: Apache-2.0
 */

if ( ! defined( 'ABSPATH' ) ) {
	exit;
}

// Fill these in: the address of the service, the shop, and the quiz.
const RECOVERY_QUIZ_HOST = 'https://quiz.example';
const RECOVERY_QUIZ_SHOP = 'your-shop';
const RECOVERY_QUIZ_NAME = 'leg-day';

/** Render the quiz. On a product page it takes the product of the page into account. */
function recovery_quiz_shortcode(): string {
	$sku     = '';
	$product = function_exists( 'wc_get_product' ) ? wc_get_product( get_the_ID() ) : null;
	if ( $product ) {
		$sku = $product->get_sku();
	}
	$host = untrailingslashit( RECOVERY_QUIZ_HOST );
	$page = $host . '/' . rawurlencode( RECOVERY_QUIZ_SHOP ) . '/quiz/' . rawurlencode( RECOVERY_QUIZ_NAME );
	wp_enqueue_script_module( 'recovery-quiz', $host . '/embed.js' );
	return sprintf(
		'<recovery-quiz shop="%s" quiz="%s" locale="%s"%s><a href="%s">%s</a></recovery-quiz>',
		esc_attr( RECOVERY_QUIZ_SHOP ),
		esc_attr( RECOVERY_QUIZ_NAME ),
		esc_attr( str_replace( '_', '-', get_locale() ) ),
		'' === $sku ? '' : ' product="' . esc_attr( $sku ) . '"',
		esc_url( $page ),
		esc_html__( 'Find your recovery match', 'recovery-quiz' )
	);
}
add_shortcode( 'recovery_quiz', 'recovery_quiz_shortcode' );

/** Keep the visit, which the quiz adds to the cart link, in the session until it is saved with the order. */
function recovery_quiz_remember(): void {
	if ( empty( $_GET['recovery_quiz'] ) || ! function_exists( 'WC' ) || ! WC()->session ) { // phpcs:ignore WordPress.Security.NonceVerification.Recommended
		return;
	}
	$visit = substr( sanitize_text_field( wp_unslash( $_GET['recovery_quiz'] ) ), 0, 64 ); // phpcs:ignore WordPress.Security.NonceVerification.Recommended
	WC()->session->set( 'recovery_quiz', $visit );
}
add_action( 'wp_loaded', 'recovery_quiz_remember' );

/** Save the visit with the order. Both the classic and the block checkout call this. */
function recovery_quiz_note( $order ): void {
	$visit = WC()->session ? WC()->session->get( 'recovery_quiz' ) : '';
	if ( $visit ) {
		$order->update_meta_data( 'recovery_quiz', $visit );
	}
}
add_action( 'woocommerce_checkout_create_order', 'recovery_quiz_note' );
add_action( 'woocommerce_store_api_checkout_update_order_meta', 'recovery_quiz_note' );

/** Render an unticked checkbox for emails, whose state is saved with the order. */
function recovery_quiz_box(): void {
	woocommerce_form_field(
		'recovery_quiz_emails',
		array(
			'type'  => 'checkbox',
			'label' => esc_html__( 'Send me tips on how to use it, and offers, by email', 'recovery-quiz' ),
		),
		0
	);
}
add_action( 'woocommerce_review_order_before_submit', 'recovery_quiz_box' );

function recovery_quiz_box_note( $order, $data ): void {
	$yes = ! empty( $_POST['recovery_quiz_emails'] ); // phpcs:ignore WordPress.Security.NonceVerification.Missing
	$order->update_meta_data( 'recovery_quiz_accepts_marketing', $yes ? 'yes' : 'no' );
}
add_action( 'woocommerce_checkout_create_order', 'recovery_quiz_box_note', 10, 2 );

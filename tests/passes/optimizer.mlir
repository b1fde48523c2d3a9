// RUN: gptc-opt %s --split-input-file --verify-diagnostics --gpt-optimizer | FileCheck %s
// RUN: gptc-opt %s --split-input-file --verify-diagnostics --gpt-optimizer=gradient-norms=true \
// RUN:   | FileCheck %s --check-prefix=NORMS

#scalar = #gpt.dims<>
#cj = #gpt.dims<c=4, j=3>
#j = #gpt.dims<j=3>

// CHECK-LABEL: module
module attributes {gpt.optimizer = {kind = "adamw", beta1 = 0.9, beta2 = 0.99, eps = 1.0e-8, decay = 0.1,
                                    decay_min_rank = 2, clip = 1.0}} {
  // CHECK: gpt.variable parameter @w : {{.*}} path ["w"]
  // CHECK-NEXT: gpt.variable state @w.m : tensor<4x3xf32, {{.*}} path ["w", "m"]
  // CHECK-NEXT: gpt.variable state @w.v : tensor<4x3xf32, {{.*}} path ["w", "v"]
  // CHECK-NEXT: gpt.variable parameter @l : {{.*}} copies 1 path ["l", "*"]
  // CHECK-NEXT: gpt.variable state @l.m : {{.*}} copies 1 path ["l", "*", "m"]
  gpt.variable parameter @w : tensor<4x3xf32, #cj> path ["w"]
  gpt.variable parameter @l : tensor<4x3xf32, #cj> copies 1 path ["l", "*"]

  // CHECK-NOT: @learning_rate
  func.func @learning_rate(%step: tensor<i32, #scalar>) -> tensor<f32, #scalar> {
    %rate = gpt.generic [] indices(%step[] : tensor<i32, #scalar>) -> (tensor<f32, #scalar>) {
    ^bb0(%s: i32):
      %f = arith.sitofp %s : i32 to f32
      gpt.yield %f : f32
    }
    return %rate : tensor<f32, #scalar>
  }

  // CHECK-LABEL: func.func @main
  // CHECK-SAME: %[[DW:.*]]: tensor<4x3xf32, {{#[a-z_]+}}>, %[[DL:.*]]: tensor<4x3xf32, {{#[a-z_]+}}>
  // CHECK-SAME: %[[STEP:.*]]: tensor<i32, #scalar> {gpt.input = "step"}
  // CHECK-SAME: -> (tensor<f32, #scalar> {gpt.output = "loss"}, tensor<f64, #scalar> {gpt.output = "grad_norm"}, tensor<f32, #scalar> {gpt.output = "lr"})
  func.func @main(%dw: tensor<4x3xf32, #cj>, %dl: tensor<4x3xf32, #cj>)
      -> (tensor<f32, #scalar> {gpt.output = "loss"}, tensor<4x3xf32, #cj> {gpt.gradient = @w},
          tensor<4x3xf32, #cj> {gpt.gradient = @l}) {
    %loss = gpt.constant dense<0.0> : tensor<f32, #scalar> : tensor<f32, #scalar>
    // CHECK: %[[RATE:.*]] = gpt.generic [] indices(%[[STEP]][] :
    // The squares of f32 are summed in f64, where they cannot overflow.
    // CHECK: %[[SW:.*]] = gpt.generic sum [| c=4, j=3] inputs(%[[DW]][c, j] : {{.*}} -> (tensor<f64, #scalar>)
    // CHECK: arith.extf
    // CHECK: arith.mulf
    // CHECK: %[[SL:.*]] = gpt.generic sum [| c=4, j=3] inputs(%[[DL]][c, j] :
    // CHECK: %[[NORM:.*]] = gpt.generic [] inputs(%[[SW]][] : {{.*}}, %[[SL]][] :
    // CHECK: math.sqrt
    // CHECK: %[[S:.*]]:5 = gpt.generic [] inputs(%[[NORM]][] : {{.*}}, %[[RATE]][] : {{.*}}, %[[STEP]][] : {{.*}}, %{{.*}}[] :
    // CHECK: arith.minimumf
    // CHECK: %[[W:.*]] = gpt.get @w :
    // CHECK: %[[M:.*]] = gpt.get @w.m :
    // CHECK: %[[V:.*]] = gpt.get @w.v :
    // CHECK: %[[NEW:.*]]:3 = gpt.generic [c=4, j=3] inputs(%[[W]][c, j] : {{.*}}, %[[M]][c, j] : {{.*}}, %[[V]][c, j] : {{.*}}, %[[DW]][c, j] : {{.*}}, %[[S]]#0[] : {{.*}}, %[[S]]#1[] : {{.*}}, %[[S]]#2[] : {{.*}}, %[[S]]#3[] : {{.*}}, %[[S]]#4[] :
    // A step that is not finite leaves all three as they were.
    // CHECK: %[[MOVES:.*]] = arith.cmpf ogt
    // CHECK-COUNT-3: arith.select %[[MOVES]]
    // CHECK: gpt.set @w, %[[NEW]]#0
    // CHECK: gpt.set @w.m, %[[NEW]]#1
    // CHECK: gpt.set @w.v, %[[NEW]]#2
    // The other one is of rank 1 as declared: no decay.
    // CHECK: gpt.generic [c=4, j=3] inputs(%{{.*}}[c, j] : {{.*}}, %[[DL]][c, j] : {{.*}}, %[[S]]#0[] : {{.*}}, %[[S]]#1[] : {{.*}}, %[[S]]#3[] :
    // CHECK: return %{{.*}}, %[[NORM]], %[[RATE]] :
    // Asked for, one number a copy: @l has four of them.
    // NORMS: {gpt.output = "grad_norm(w)"}, tensor<f64, {{[^>]*}}> {gpt.output = "weight_norm(w)"}
    // NORMS-SAME: tensor<4xf64, {{[^>]*}}> {gpt.output = "grad_norm(l)"}, tensor<4xf64, {{[^>]*}}> {gpt.output = "weight_norm(l)"}
    // NORMS: %[[L:.*]] = gpt.generic sum [c=4 | j=3] inputs(%arg1[c, j] :
    // NORMS: %[[NL:.*]] = gpt.generic [c=4] inputs(%[[L]][c] :
    // NORMS: math.sqrt
    // NORMS: return {{.*}}, %[[NL]], %{{.*}} :
    return %loss, %dw, %dl : tensor<f32, #scalar>, tensor<4x3xf32, #cj>, tensor<4x3xf32, #cj>
  }
}

// -----

// expected-error @below {{the module has no gpt.optimizer: it is no training program}}
module {
  func.func @main() { return }
}

// -----

// expected-error @below {{gpt.optimizer has kind "adam"; known are "adamw" and "sgd"}}
module attributes {gpt.optimizer = {kind = "adam"}} {
  func.func @main() { return }
}

// -----

// expected-error @below {{gpt.optimizer lacks 'beta1'}}
// expected-error @below {{gpt.optimizer: 'beta2' is 2.000000e+00, not between 0.000000e+00 and 1.000000e+00}}
module attributes {gpt.optimizer = {kind = "adamw", beta2 = 2.0, eps = 1.0e-8}} {
  func.func @main() { return }
}

// -----

module attributes {gpt.optimizer = {kind = "sgd"}} {
  // expected-error @below {{@main has no gradients; gpt-autodiff comes first}}
  func.func @main() { return }
}

// -----

#j = #gpt.dims<j=3>

// expected-error @below {{a training program has a function @learning_rate with one block}}
module attributes {gpt.optimizer = {kind = "sgd"}} {
  gpt.variable parameter @w : tensor<3xf32, #j> path ["w"]
  func.func @main(%dw: tensor<3xf32, #j>) -> (tensor<3xf32, #j> {gpt.gradient = @w}) {
    return %dw : tensor<3xf32, #j>
  }
}

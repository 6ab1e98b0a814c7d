namespace ChannelSdk.Xen.Tests;

/// <summary>The tests of tests/InXen, which run in dom0 of a machine with Xen; one result for each class.</summary>
public sealed class XenTests(XenMachine machine) : IClassFixture<XenMachine>
{
    public static readonly string[] Classes = ["VchanContractTests", "AgentTests", "WorkerTests", "InteropTests", "IsolationTests", "LifeTests", "InstallTests", "ModeTests", "SnapshotTests"];

    public static TheoryData<string> AllClasses => [.. Classes];

    [Theory]
    [MemberData(nameof(AllClasses))]
    public void Tests_in_dom0_pass(string name)
    {
        // "PASS ChannelSdk.InXen.AgentTests.The_agent_answers...(type: Pv) (0.1 s)"; a failure without a test's name is everybody's.
        var own = machine.Lines.Where(l => l.Contains($".{name}.", StringComparison.Ordinal)).ToList();
        var failed = machine.Lines.Where(l => l.StartsWith("FAIL ", StringComparison.Ordinal) && (own.Contains(l) || !Classes.Any(c => l.Contains($".{c}.", StringComparison.Ordinal)))).ToList();
        var passed = own.Count(l => l.StartsWith("PASS ", StringComparison.Ordinal));
        var hasEnded = machine.Lines.Any(l => l.StartsWith("END ", StringComparison.Ordinal));
        Assert.True(failed.Count == 0 && passed > 0 && hasEnded,
            $"{passed} passed, {failed.Count} failed, {(hasEnded ? "all were run" : "the run did not come to its end")}\n{string.Join('\n', failed)}\n"
            + $"the last lines:\n{string.Join('\n', machine.Lines.TakeLast(15))}\n{machine.Logs}");
    }
}

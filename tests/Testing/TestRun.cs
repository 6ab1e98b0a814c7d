using System.Reflection;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace ChannelSdk.Testing;

/// <summary>Runs xunit tests of the program without the test platform, which would be more than the tests in a guest.</summary>
/// <param name="classes">Names of the classes to run.</param>
public sealed class TestRun(string[] classes) : LongLivedMarshalByRefObject, IMessageSink
{
    private readonly List<ITestCase> _cases = [];
    private readonly List<(ITestCase[] Cases, string Reason)> _failures = [];
    private TaskCompletionSource _done = new();
    private int _passed;

    /// <summary>
    /// Whether tests may have failed for a fault of the machine that they run on, as one that is emulated has; asked once, after tests have failed. Those are
    /// run once more then, with new fixtures.
    /// </summary>
    public Func<bool> MayTryAgain { get; init; } = static () => false;

    /// <summary>0 if tests ran and all passed.</summary>
    public int Execute()
    {
        var assembly = Assembly.GetEntryAssembly()!;
        var framework = new XunitTestFramework(this);
        using var discoverer = framework.GetDiscoverer(Reflector.Wrap(assembly));
        discoverer.Find(includeSourceInformation: false, this, new Options());
        _done.Task.Wait();
        using var executor = framework.GetExecutor(assembly.GetName());
        Run(executor, _cases);
        if (_failures.Count > 0 && MayTryAgain())
        {
            // What failed without a test stays a failure.
            var again = _failures.SelectMany(static failure => failure.Cases).Distinct().ToList();
            _failures.RemoveAll(static failure => failure.Cases.Length > 0);
            Console.WriteLine($"REPORT {again.Count} tests that failed are run once more");
            Run(executor, again);
        }

        _failures.ForEach(static failure => Console.WriteLine($"FAIL {failure.Reason}"));
        Console.WriteLine($"END {_passed} passed, {_failures.Count} failed");
        return _failures.Count == 0 && _passed > 0 ? 0 : 1;
    }

    /// <inheritdoc/>
    public bool OnMessage(IMessageSinkMessage message)
    {
        switch (message)
        {
            case ITestCaseDiscoveryMessage found when classes.Contains(found.TestClass.Class.Name.Split('.')[^1]):
                _cases.Add(found.TestCase);
                break;
            case ITestPassed passed:
                _passed++;
                Console.WriteLine($"PASS {passed.Test.DisplayName} ({passed.ExecutionTime:F1} s)");
                break;
            case ITestResultMessage result:
                // A skipped test counts as failed.
                Fail([result.TestCase], $"{result.Test.DisplayName}: {(result is ITestFailed failure ? Line(failure) : "skipped")}");
                break;
            // Of a fixture, or of the run itself.
            case IFailureInformation error:
                Fail([.. (message as IExecutionMessage)?.TestCases ?? []], Line(error));
                break;
            case IDiscoveryCompleteMessage or ITestAssemblyFinished:
                _done.TrySetResult();
                break;
        }

        return true;
    }

    private static string Line(IFailureInformation failure) => string.Join(" | ", failure.Messages).ReplaceLineEndings(" ");

    private void Fail(ITestCase[] cases, string reason)
    {
        _failures.Add((cases, reason));
        // At once, for a run that does not come to its end.
        Console.WriteLine($"REPORT failed: {reason}");
    }

    private void Run(ITestFrameworkExecutor executor, List<ITestCase> cases)
    {
        _done = new TaskCompletionSource();
        executor.RunTests(cases, this, new Options());
        _done.Task.Wait();
    }

    /// <summary>One test at a time: a guest has one processor.</summary>
    private sealed class Options : ITestFrameworkDiscoveryOptions, ITestFrameworkExecutionOptions
    {
        private readonly Dictionary<string, object?> _values = new() { ["xunit.execution.DisableParallelization"] = true };

        public TValue GetValue<TValue>(string name) => _values.TryGetValue(name, out var value) && value is TValue known ? known : default!;

        public void SetValue<TValue>(string name, TValue value) => _values[name] = value;
    }
}

using System.Reflection;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace ChannelSdk.Testing;

/// <summary>Runs xunit tests of the program without the test platform, which would be more than the tests in a guest.</summary>
/// <param name="classes">Names of the classes to run.</param>
public sealed class TestRun(string[] classes) : LongLivedMarshalByRefObject, IMessageSink
{
    private readonly List<ITestCase> _cases = [];
    private TaskCompletionSource _done = new();
    private int _failed;
    private int _passed;

    /// <summary>0 if tests ran and all passed.</summary>
    public int Execute()
    {
        var assembly = Assembly.GetEntryAssembly()!;
        var framework = new XunitTestFramework(this);
        using var discoverer = framework.GetDiscoverer(Reflector.Wrap(assembly));
        discoverer.Find(includeSourceInformation: false, this, new Options());
        _done.Task.Wait();
        _done = new TaskCompletionSource();
        using var executor = framework.GetExecutor(assembly.GetName());
        executor.RunTests(_cases, this, new Options());
        _done.Task.Wait();
        Console.WriteLine($"END {_passed} passed, {_failed} failed");
        return _failed == 0 && _passed > 0 ? 0 : 1;
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
                _failed++;
                var reason = result is ITestFailed failure ? string.Join(" | ", failure.Messages).ReplaceLineEndings(" ") : "skipped";
                Console.WriteLine($"FAIL {result.Test.DisplayName}: {reason}");
                break;
            case IErrorMessage error:
                _failed++;
                Console.WriteLine($"FAIL {string.Join(" | ", error.Messages).ReplaceLineEndings(" ")}");
                break;
            case IDiscoveryCompleteMessage or ITestAssemblyFinished:
                _done.TrySetResult();
                break;
        }

        return true;
    }

    /// <summary>One test at a time: a guest has one processor.</summary>
    private sealed class Options : ITestFrameworkDiscoveryOptions, ITestFrameworkExecutionOptions
    {
        private readonly Dictionary<string, object?> _values = new() { ["xunit.execution.DisableParallelization"] = true };

        public TValue GetValue<TValue>(string name) => _values.TryGetValue(name, out var value) && value is TValue known ? known : default!;

        public void SetValue<TValue>(string name, TValue value) => _values[name] = value;
    }
}
